"""The examples of the requirements, one test each, in their order."""
