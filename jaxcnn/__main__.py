"""`python -m jaxcnn ...` is `jaxcnn ...`."""

from jaxcnn.programs.command import main

if __name__ == "__main__":
    main()
