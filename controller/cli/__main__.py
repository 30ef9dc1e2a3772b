"""`python -m controller.cli` is `picolase`: how the demo starts its own processes."""

from controller.cli.main import main

if __name__ == "__main__":
    main(prog_name="picolase")
