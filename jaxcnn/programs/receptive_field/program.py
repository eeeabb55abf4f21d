r"""What the layers of a network see of an image: in theory, and after training.

    jaxcnn receptive-field lenet
    jaxcnn receptive-field vgg --dataset mnist \
        --run runs/mnist-vgg-explicit-seed0
    jaxcnn receptive-field resnet20 \
        --layer 7_residual/inner/3_conv --positions 4 4 0 0 7 3
    jaxcnn receptive-field mine:segment --shapes 1x64x64x3

The program prints the receptive field of each layer, draws what a few of them see, and
compares how far the gradient of the centre output spreads with what equal weights would
give (`spread.py`).

Where an image is flat, all values that a maximum pooling chooses from are equal, and
the first of them gets the whole gradient. At the dark borders of digits this leaves a
pattern of dots; noise of 1e-3 on the images removes it.

A function of one's own is another matter: `function.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax.numpy as jnp
from rich.console import Console

from jaxcnn.models import MODELS
from jaxcnn.programs.cli import parse, run_program
from jaxcnn.programs.data.dataset import load
from jaxcnn.programs.data.errors import DataError
from jaxcnn.programs.data.options import recorded_options
from jaxcnn.programs.devices import use_all_cores
from jaxcnn.programs.messages import plural, times
from jaxcnn.programs.options import MOST_EPOCHS, require_count, require_paths
from jaxcnn.programs.output import claimed
from jaxcnn.programs.receptive_field.chosen import (
    chosen_layers,
    chosen_positions,
    fields_with_space,
)
from jaxcnn.programs.receptive_field.config import Config
from jaxcnn.programs.receptive_field.function import draw_function, of_function
from jaxcnn.programs.receptive_field.picture import picture
from jaxcnn.programs.receptive_field.spread import centre_output, effective_field, equal_weights_sd
from jaxcnn.programs.receptive_field.tables import field_table, spread_table
from jaxcnn.programs.receptive_field.trained import read_run, read_run_config, train_network
from jaxcnn.programs.receptive_field.view import View
from jaxcnn.programs.train.run import DivergedError
from jaxcnn.stored.files import write_whole

PICTURE = "receptive_field.png"


def main(config: Config, console: Console | None = None) -> Path:
    """Print the tables and draw the picture; its path.

    Raises:
      ConfigError, DataError: if an option makes no sense, another program writes into
        the output folder, the run is of another network, or the images cannot be had;
        before anything is written.
      DivergedError: as `jaxcnn.programs.train.program.main`.
    """
    console = console or Console()
    require_paths(config)
    require_count("epochs", config.epochs, most=MOST_EPOCHS)
    require_count("images", config.images)
    if of_function(config):
        return draw_function(config, console)
    with claimed(config.output or Path("runs") / f"receptive_field-{config.model}") as output:
        return _draw(config, output, console)


def _draw(config: Config, output: Path, console: Console) -> Path:
    recorded = None if config.run is None else read_run_config(config.run, config)
    options = recorded_options(recorded or {})
    options = replace(
        options,
        dataset=config.dataset or options.dataset,
        data_dir=config.data_dir or options.data_dir,
    )
    say = partial(console.print, highlight=False, soft_wrap=True)
    dataset = load(options, say=say)
    model = MODELS[config.model](len(dataset.classes))
    fields = fields_with_space(config, model, dataset)
    chosen = {
        path: chosen_positions(config, path, fields[path])
        for path in chosen_layers(config, model, fields)
    }

    trained = (
        None
        if config.run is None or recorded is None
        else read_run(config.run, recorded, model, dataset)
    )

    console.print(
        field_table(
            f"What an output of {config.model} sees of {times(dataset.image_shape[:2])} images",
            fields,
        )
    )
    trained = trained or train_network(config, dataset.name, output, console)

    images = dataset.normalisation(dataset.test.images[: config.images])
    x = jnp.asarray(images)
    theory = equal_weights_sd(model, x.shape[1:3])
    views = []
    for path, positions in chosen.items():
        with console.status(f"gradient of {path}"):
            effective = effective_field(
                model, trained.params, trained.state, x, path, centre_output(fields[path])
            )
        views.append(View(path, fields[path], positions, effective, theory[path]))
    console.print(spread_table(views, len(x)))
    title = f"{trained.title}; gradients of {plural(len(x), 'test image')}"
    figure = picture(views, images[0], title)
    write_whole(output / PICTURE, lambda partial: figure.savefig(partial, format="png", dpi=110))
    console.print(f"picture in {output / PICTURE}", soft_wrap=True)
    return output / PICTURE


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status. What goes wrong
    is told in one line on stderr."""
    program = "jaxcnn receptive-field"

    def body() -> None:
        config = parse(Config, program, arguments)
        use_all_cores()
        main(config)

    return run_program(program, body, refused=(DataError,), failed=(DivergedError,))
