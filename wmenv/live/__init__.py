"""The live page: step into a world from the browser, direct it, branch, go back, and see the numbers move."""
