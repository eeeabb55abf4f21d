"""The documentation: pages to read, and the program that makes a site of them."""
