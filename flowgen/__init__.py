"""FlowGen: image models with exact likelihoods."""
