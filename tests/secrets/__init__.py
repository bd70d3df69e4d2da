"""Every store, seeded with the same secrets: what the contract, the leak tests and the benchmark share."""
