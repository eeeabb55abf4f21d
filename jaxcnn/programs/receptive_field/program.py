r"""What the layers of a network see of an image: in theory, and after training.

    jaxcnn receptive-field lenet
    jaxcnn receptive-field vgg --dataset mnist \
        --run runs/mnist-vgg-explicit-seed0
    jaxcnn receptive-field resnet20 \
        --layer 7_residual/inner/3_conv --positions 4 4 0 0 7 3

In theory an output sees its receptive field (`jaxcnn/receptive.py`), a rectangle.
How much it depends on each pixel in it is another matter: Luo, Li, Urtasun and Zemel
("Understanding the Effective Receptive Field in Deep Convolutional Neural Networks",
NeurIPS 2016, arXiv:1701.04128) put a cotangent of 1 on the centre output of a layer and
0 on all others, and look at the input gradient. Here, for y (n, h', w', o) of a layer,
x (n, h, w, c) test images, and the centre output (i, j),

    g = d/dx sum_{n, o} y[n, i, j, o]
    field[a, b] = mean_{n, c} |g[n, a, b, c]|                                        (1)

in evaluation mode, where images do not mix, so that one backward pass has the gradients
of all of them. The channels of the output are summed before the absolute value is
taken; the images and the channels of the input are averaged after it. With the field
scaled to the sum 1, its standard deviation along an axis is in pixels.

The yardstick beside it is a network of the same windows with equal weights and nothing
else. Each window then is the mean of its taps, and the field of a stack of them is the
convolution of boxes of k positions, d apart on an input of effective stride S:

    sd^2 = sum_l S_l^2 d_l^2 (k_l^2 - 1) / 12                                        (2)

For n layers of stride 1 this is the paper's sqrt(n (k^2 - 1) / 12), which grows with
the root of the depth where the receptive field grows with the depth. With independent
random weights of mean 0, (2) belongs to E[g^2]; |g| falls off as the root of that, so
that its standard deviation comes to up to sqrt(2) of (2), in deep stacks. Of branches
that are joined, (2) takes the wider one. It goes on beyond the border of the image,
which the measured field cannot.

Where an image is flat, all values that a maximum pooling chooses from are equal, and
the first of them gets the whole gradient: at the dark borders of digits this leaves a
pattern of dots, which noise of 1e-3 on the images takes away.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the slow imports
    from jaxcnn.programs.interruption import end_at_once

    end_at_once("receptive_field")

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jax import Array
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from rich.console import Console
from rich.table import Table
from safetensors import SafetensorError

from jaxcnn import layers
from jaxcnn.layers import Layer
from jaxcnn.models import MODELS
from jaxcnn.programs.checkpoint import CheckpointError, check_arrays, load_arrays
from jaxcnn.programs.cli import run_program
from jaxcnn.programs.data.dataset import Dataset, load
from jaxcnn.programs.data.idx import DataError
from jaxcnn.programs.devices import use_all_cores
from jaxcnn.programs.files import write_whole
from jaxcnn.programs.interruption import leave
from jaxcnn.programs.messages import plural, times
from jaxcnn.programs.options import MOST_EPOCHS, ConfigError, require_count, require_paths, shown
from jaxcnn.programs.output import claimed
from jaxcnn.programs.train import program as train
from jaxcnn.programs.train.config import Model
from jaxcnn.programs.train.run import DivergedError
from jaxcnn.receptive import ReceptiveField, receptive_fields

PICTURE = "receptive_field.png"
MOST_LAYERS = 4
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # of Okabe and Ito
PADDING_GREY = "0.8"

Position = tuple[int, int]  # row and column of an output


@dataclass(frozen=True)
class Config:
    """Draw what layers of a network see of an image, in theory and after training, and
    print the receptive field of each layer.

    Writes receptive_field.png. Without --run the network is trained first, by
    jaxcnn.programs.train.program with its default options.
    """

    model: tyro.conf.Positional[Model]
    """The network, see jaxcnn/models.py."""
    layer: str | None = None
    """The path of the layer to draw, as the table has it; by default up to four from
    small fields to large ones."""
    positions: tuple[Position, ...] = ()
    """Row and column of each output whose field is drawn on the image; by default the
    centre and a corner."""

    dataset: Literal["digits", "mnist", "fashion_mnist"] | None = None
    """The images; by default those that --run was trained on, or else the digits."""
    data_dir: Path | None = None
    """Folder with the four IDX files of mnist or fashion_mnist, gzipped or not; by
    default that of --run, if it had one."""
    run: Path | None = None
    """The output folder of a run of jaxcnn train that trained this network."""
    epochs: int = 3
    """How long to train without --run."""
    images: int = 200
    """Test images over which the gradient is averaged, at most all."""

    output: Path | None = None
    """Folder of the picture, by default runs/receptive_field-<model>. An earlier
    picture is replaced, and so is its training."""


class Trained(NamedTuple):
    """A network that is trained, and what is said of its training."""

    params: dict[str, Any]
    state: dict[str, Any]
    title: str


class View(NamedTuple):
    """A layer's receptive field, and the effective one of its centre output.

    Attributes:
      path: the layer's, as in `layers.outputs`.
      field: the receptive field.
      positions: the outputs to draw.
      effective: equation (1), (h, w), scaled to the sum 1; all 0 if no image has a
        gradient.
      theory: per axis, the standard deviation of equal weights, equation (2).
    """

    path: str
    field: ReceptiveField
    positions: tuple[Position, ...]
    effective: np.ndarray
    theory: tuple[float, ...]


def main(config: Config, console: Console | None = None) -> Path:
    """Print the tables and draw the picture; its path.

    Raises:
      ConfigError, DataError: if an option makes no sense, another program writes into
        the output folder, the run is none of this network, or the images are not to be
        had; before anything is written.
      DivergedError: as `jaxcnn.programs.train.program.main`.
    """
    console = console or Console()
    require_paths(config)
    require_count("epochs", config.epochs, most=MOST_EPOCHS)
    require_count("images", config.images)
    with claimed(config.output or Path("runs") / f"receptive_field-{config.model}") as output:
        return _draw(config, output, console)


def _draw(config: Config, output: Path, console: Console) -> Path:
    recorded = None if config.run is None else _read_run_config(config.run, config)
    name = config.dataset or (recorded["dataset"] if recorded else "digits")
    data_dir = config.data_dir or (
        Path(recorded["data_dir"]) if recorded and recorded.get("data_dir") else None
    )
    dataset = load(name, data_dir, say=partial(console.print, highlight=False, soft_wrap=True))
    model = MODELS[config.model](len(dataset.classes))
    fields = _fields_with_space(config, model, dataset)
    chosen = {
        path: _positions(config, path, fields[path])
        for path in _chosen_layers(config, model, fields)
    }

    trained = (
        None
        if config.run is None or recorded is None
        else _read_run(config.run, recorded, model, dataset)
    )

    console.print(
        _field_table(
            f"What an output of {config.model} sees of {times(dataset.x_test.shape[1:3])} images",
            fields,
        )
    )
    trained = trained or _train(config, name, output / "training", console)

    x = jnp.asarray(dataset.x_test[: config.images])
    theory = equal_weights_sd(model, x.shape[1:3])
    views = []
    for path, positions in chosen.items():
        with console.status(f"gradient of {path}"):
            effective = effective_field(
                model, trained.params, trained.state, x, path, centre_output(fields[path])
            )
        views.append(View(path, fields[path], positions, effective, theory[path]))
    console.print(_spread_table(views, len(x)))
    title = f"{trained.title}; gradients of {plural(len(x), 'test image')}"
    figure = picture(views, dataset.x_test[0], title)
    write_whole(output / PICTURE, lambda partial: figure.savefig(partial, format="png", dpi=110))
    console.print(f"picture in {output / PICTURE}", soft_wrap=True)
    return output / PICTURE


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status. What goes wrong
    is told in one line on stderr."""

    def body() -> None:
        config = tyro.cli(Config, prog="jaxcnn receptive-field", args=arguments)
        use_all_cores()
        main(config)

    return run_program("receptive_field", body, refused=(DataError,), failed=(DivergedError,))


# The numbers.


def effective_field(
    model: Layer, params: dict, state: dict, x: Array, path: str, position: Position
) -> np.ndarray:
    """Equation (1) for the output at `position` of the layer at `path`, (h, w), scaled
    to the sum 1; all 0 if it has no gradient.

    Args:
      model, params, state: a network of images, in evaluation mode.
      x: the images, (n, h, w, c).
      path: of a layer whose output is (n, h', w', o), as in `layers.outputs`.
      position: row and column of the output.
    """
    row, column = position

    @jax.jit
    def gradient(params, state, x):
        return jax.grad(
            lambda x: jnp.sum(layers.outputs(model, params, state, x)[path][:, row, column])
        )(x)

    field = np.abs(np.asarray(gradient(params, state, x), np.float64)).mean(axis=(0, 3))  # (1)
    return field / (field.sum() or 1.0)


def sd(field: np.ndarray) -> tuple[float, ...]:
    """Per axis, the standard deviation of a field (h, w) of the sum 1, in pixels; NaN
    where all of it is 0.

    >>> sd(np.full((1, 3), 1 / 3)) == (0.0, (2 / 3) ** 0.5)
    True
    """
    if not field.any():
        return (math.nan,) * field.ndim
    deviations = []
    for axis, size in enumerate(field.shape):
        profile = field.sum(axis=tuple(other for other in range(field.ndim) if other != axis))
        mean = profile @ np.arange(size)
        deviations.append(math.sqrt(profile @ (np.arange(size) - mean) ** 2))
    return tuple(deviations)


def equal_weights_sd(model: Layer, input_size: Sequence[int]) -> dict[str, tuple[float, ...]]:
    """Equation (2) for every layer inside a model, per axis, by the paths of
    `layers.outputs`.

    >>> model = layers.serial(layers.conv(1, 3), layers.max_pool(2), layers.conv(1, 3))
    >>> [round(12 * rows**2) for rows, _ in equal_weights_sd(model, (8, 8)).values()]
    [8, 11, 43]
    """
    size = tuple(input_size)
    inside = _variances(model, _Spread(size, (1,) * len(size), (0.0,) * len(size)))
    return {path: tuple(map(math.sqrt, spread.variance)) for path, spread in inside.items()}


class _Spread(NamedTuple):
    """Per axis, the size of a layer's output, its effective stride, and the square of
    (2)."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    variance: tuple[float, ...]


def _variances(layer: Layer, x: _Spread) -> dict[str, _Spread]:
    """What (2) gives inside a layer whose input has the spread x, by path; the last is
    the layer's own."""
    found: dict[str, _Spread] = {}
    ends = []
    for entry, part in layer.parts:
        inside = _variances(part, x)
        found |= {"/".join(filter(None, (entry, path))): spread for path, spread in inside.items()}
        ends.append(next(reversed(inside.values())))
        if not layer.parallel:
            x = ends[-1]
    if layer.parallel:
        found[""] = max(ends, key=lambda spread: spread.variance)
    elif not layer.parts:
        found[""] = x if layer.window is None else _through_window(layer, x)
    return found


def _through_window(layer: Layer, x: _Spread) -> _Spread:
    assert layer.window is not None
    window = layer.window(x.size)
    terms = [
        (S * d) ** 2 * (k**2 - 1) / 12
        for S, d, k in zip(x.stride, window.dilation, window.size, strict=True)
    ]  # (2)
    return _Spread(
        window.output_size(x.size),
        tuple(s * S for s, S in zip(window.stride, x.stride, strict=True)),
        tuple(variance + term for variance, term in zip(x.variance, terms, strict=True)),
    )


def centre_output(field: ReceptiveField) -> Position:
    """The output in the middle, of an even number the one behind it."""
    row, column = (m // 2 for m in field.output_size)
    return row, column


# Before the network is trained or read.


def _fields_with_space(config: Config, model: Layer, dataset: Dataset) -> dict[str, ReceptiveField]:
    """The receptive fields of the layers whose outputs are images."""
    shape = (1, *dataset.x_test.shape[1:])
    try:
        fields = receptive_fields(model, shape[1:3])
    except ValueError as error:
        notes = "; ".join(getattr(error, "__notes__", []))
        raise ConfigError(
            f"{config.model} does not take {times(shape[1:3])} images: {error} ({notes})"
        ) from error
    params, state = jax.eval_shape(lambda key: model.init(key, shape), jax.random.key(0))
    given = jax.eval_shape(
        partial(layers.outputs, model), params, state, jax.ShapeDtypeStruct(shape, np.float32)
    )
    return {path: fields[path] for path, y in given.items() if y.ndim == 4}


def _chosen_layers(config: Config, model: Layer, fields: dict[str, ReceptiveField]) -> list[str]:
    """The layer that was asked for; or up to four with windows, from small fields to
    large ones.

    Small ones are a sixth of the image, large ones twice the image: beyond that there
    would be little to see.
    """
    if config.layer is not None:
        if config.layer not in fields:
            raise ConfigError(
                f"--layer must be a layer whose output has space, got {shown(config.layer)}: there"
                f" are {', '.join(fields)}"
            )
        return [config.layer]
    image = next(iter(fields.values())).input_size
    seen = [path for path in _window_paths(model) if path in fields and max(fields[path].size) > 1]
    visible = [
        path
        for path in seen
        if all(n <= 6 * r <= 12 * n for r, n in zip(fields[path].size, image, strict=True))
    ]
    candidates = list({fields[path].size: path for path in reversed(visible or seen[:1])}.values())[
        ::-1
    ]  # the first of a size
    return [
        candidates[round(index)]
        for index in np.linspace(0, len(candidates) - 1, min(MOST_LAYERS, len(candidates)))
    ]


def _window_paths(layer: Layer, path: str = "") -> Iterator[str]:
    for entry, part in layer.parts:
        yield from _window_paths(part, f"{path}/{entry}" if path else entry)
    if not layer.parts and layer.window is not None:
        yield path


def _positions(config: Config, path: str, field: ReceptiveField) -> tuple[Position, ...]:
    for position in config.positions:
        if not all(0 <= j < m for j, m in zip(position, field.output_size, strict=True)):
            raise ConfigError(
                f"--positions must be in the {times(field.output_size)} outputs of {path}, got"
                f" {position}"
            )
    return config.positions or tuple(dict.fromkeys((centre_output(field), (0, 0))))


# The trained network.


def _read_run_config(folder: Path, config: Config) -> dict[str, Any]:
    """What config.json of a run says; it must be one of this model, and of this data
    set if one is asked for."""
    try:
        recorded = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        model, dataset, data_dir = recorded["model"], recorded["dataset"], recorded.get("data_dir")
        if not (
            isinstance(model, str) and isinstance(dataset, str) and isinstance(data_dir, str | None)
        ):
            raise TypeError("texts were needed")
    except OSError as error:
        raise ConfigError(
            f"--run {folder} is no run of jaxcnn train: its config.json: {error.strerror}"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(
            f"--run {folder} is no run of jaxcnn train: config.json does not tell of one"
        ) from error
    if model != config.model:
        raise ConfigError(f"--run {folder} trained {model}, not {config.model}")
    if config.dataset not in (None, dataset):
        raise ConfigError(
            f"--run {folder} was trained on {dataset}, not on {config.dataset}: leave --dataset out"
        )
    return recorded


def _read_run(folder: Path, recorded: dict[str, Any], model: Layer, dataset: Dataset) -> Trained:
    """The network that a run saved.

    Raises:
      ConfigError: if it is not there, or does not fit the model.
    """
    file = folder / "model.safetensors"
    try:
        saved = load_arrays(file)
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"--run {folder} has no trained network: {file.name}: {error}") from error
    arrays = {
        "params": saved.get("params", {}),
        "state": saved.get("state", {}),
    }  # {} is not in a file
    params, state = jax.eval_shape(
        lambda key: model.init(key, (1, *dataset.x_test.shape[1:])), jax.random.key(0)
    )
    try:
        check_arrays(arrays, {"params": params, "state": state})
    except CheckpointError as error:
        other = f"--run {folder} has another network than {recorded['model']} of today"
        raise ConfigError(f"{other}: {file.name} has other arrays: {error}") from error
    arrays = jax.tree.map(jnp.asarray, arrays)
    return Trained(
        arrays["params"],
        arrays["state"],
        f"{recorded['model']} trained on {dataset.name} ({folder})",
    )


def _train(config: Config, dataset: str, output: Path, console: Console) -> Trained:
    options: dict[str, Any] = {
        "model": config.model,
        "dataset": dataset,
        "data_dir": config.data_dir,
        "epochs": config.epochs,
    }
    epochs = plural(config.epochs, "epoch")
    console.print(
        f"no --run: training {config.model} on {dataset} for {epochs}, into {output}",
        highlight=False,
        soft_wrap=True,
    )
    result = train.main(train.Config(**options, output=output, overwrite=True), console)
    params, state = result.state.eval_params()
    right = f"{result.rows[-1]['test_accuracy']:.1%} of the test images right"
    return Trained(params, state, f"{config.model} trained on {dataset} for {epochs}, {right}")


# The tables.


def _field_table(title: str, fields: dict[str, ReceptiveField]) -> Table:
    table = _layer_table(title, "outputs", "size", "stride", "padding", "centre", "aligned")
    table.caption = "centre: row and column of the centre of what the centre output sees"
    for path, field in fields.items():
        centre = ", ".join(f"{axis:g}" for axis in field.centre(centre_output(field)))
        sizes = map(times, (field.output_size, field.size, field.stride))
        table.add_row(
            path,
            *sizes,
            ", ".join(map(str, field.padding)),
            centre,
            "yes" if field.aligned else "no",
        )
    return table


def _spread_table(views: Sequence[View], images: int) -> Table:
    title = f"Spread (sd) of the centre output's gradient in pixels, {plural(images, 'test image')}"
    table = _layer_table(title, "output", "field", "as trained", "equal weights")
    table.caption = "rows x columns"
    for view in views:
        centre = ", ".join(map(str, centre_output(view.field)))
        table.add_row(
            view.path,
            centre,
            times(view.field.size),
            _pixels(sd(view.effective)),
            _pixels(view.theory),
        )
    return table


def _layer_table(title: str, *columns: str) -> Table:
    """A table that, where it is too wide, breaks the paths of layers and nothing
    else."""
    table = Table(title=title)
    table.add_column("layer", overflow="fold")
    for name in columns:
        table.add_column(name, no_wrap=True)
    return table


def _pixels(deviations: Sequence[float]) -> str:
    return (
        "no gradient"
        if math.isnan(deviations[0])
        else " x ".join(f"{deviation:.2f}" for deviation in deviations)
    )


# The picture.


def picture(views: Sequence[View], image: np.ndarray, title: str) -> Figure:
    """A row for each layer: fields of chosen outputs on an image (h, w, c), and the
    effective field of the centre output."""
    legend_lines = math.ceil(max(len(view.positions) for view in views) / 2)
    figure = Figure(
        figsize=(10, (4.2 + 0.2 * legend_lines) * len(views) + 0.8), layout="constrained"
    )
    axes = figure.subplots(len(views), 2, squeeze=False)
    for (left, right), view in zip(axes, views, strict=True):
        _draw_theory(left, view, image)
        _draw_effective(right, view)
        left.set_ylabel(view.path, fontsize="large", fontweight="bold")
        for panel in (left, right):
            _frame(panel, view)
            # The layout would make the panel smaller until the legend is no wider: it
            # gets to know of the height alone.
            options = {
                "ncols": 2,
                "frameon": False,
                "fontsize": "small",
                "borderaxespad": 0,
                "columnspacing": 1,
                "handletextpad": 0.4,
            }
            panel.legend(loc="upper left", bbox_to_anchor=(0, -0.08), **options).set_in_layout(
                False
            )
            panel.set_xlabel("\n" * legend_lines)
    figure.suptitle(
        f"What an output sees of the image, and how much it depends on each pixel\n{title}"
    )
    return figure


def _draw_theory(panel: Axes, view: View, image: np.ndarray) -> None:
    panel.imshow(image, cmap="gray", vmin=0, vmax=1)
    for position, colour in zip(view.positions, cycle(COLOURS), strict=False):
        clipped = view.field.clipped(position)
        if clipped is not None:
            panel.add_patch(_rectangle(clipped, facecolor=colour, alpha=0.25))
        _draw_field(panel, view.field, position, colour)
    field = view.field
    aligned = "aligned" if field.aligned else "not aligned"
    panel.set_title(
        f"receptive field {times(field.size)}, effective stride {times(field.stride)}, {aligned}",
        fontsize="medium",
    )


def _draw_effective(panel: Axes, view: View) -> None:
    drawn = panel.imshow(
        view.effective, cmap="magma", vmin=0, vmax=float(view.effective.max()) or 1.0
    )
    centre = centre_output(view.field)
    colour = dict(zip(view.positions, cycle(COLOURS), strict=False)).get(
        centre, "black"
    )  # as on the image, if it is there
    panel.add_patch(_rectangle(view.field.interval(centre), **_OUTLINE, edgecolor=colour))
    measured = sd(view.effective)
    title = f"gradient of output {centre}: 0 for every image"
    if not math.isnan(measured[0]):
        title = f"gradient of output {centre}: sd {_pixels(measured)} pixels"
        mean = [
            float(view.effective.sum(axis=1 - axis) @ np.arange(n))
            for axis, n in enumerate(view.effective.shape)
        ]
        panel.add_patch(_ellipse(mean, measured, "solid", "2 sd as trained"))
    panel.add_patch(
        _ellipse(
            view.field.centre(centre),
            view.theory,
            "dashed",
            f"2 sd of equal weights, {_pixels(view.theory)}",
        )
    )
    panel.set_title(title, fontsize="medium")
    panel.figure.colorbar(drawn, ax=panel, label="share of the gradient", shrink=0.8)


def _draw_field(panel: Axes, field: ReceptiveField, position: Position, colour: str) -> None:
    panel.add_patch(_rectangle(field.interval(position), **_OUTLINE, edgecolor=colour))
    row, column = field.centre(position)
    effects = [withStroke(linewidth=4, foreground="white")]
    label = f"output {position}, centre {row:g}, {column:g}"
    panel.plot(
        column,
        row,
        "+",
        color=colour,
        markersize=11,
        markeredgewidth=2,
        zorder=4,
        path_effects=effects,
        label=label,
    )


_OUTLINE = {
    "fill": False,
    "linewidth": 2,
    "path_effects": [withStroke(linewidth=4, foreground="white")],
    "zorder": 3,
}


def _rectangle(interval: Sequence[tuple[int, int]], **style: Any) -> Rectangle:
    """Around the pixels of an interval of rows and one of columns; pixel i reaches from
    i - 1/2 to i + 1/2."""
    (top, bottom), (first, last) = interval
    return Rectangle((first - 0.5, top - 0.5), last - first + 1, bottom - top + 1, **style)


def _ellipse(
    centre: Sequence[float], deviations: Sequence[float], line: str, label: str
) -> Ellipse:
    (row, column), (rows, columns) = centre, deviations
    style: dict[str, Any] = {
        "fill": False,
        "edgecolor": "#56B4E9",
        "linewidth": 1.6,
        "linestyle": line,
        "label": label,
    }
    return Ellipse((column, row), 4 * columns, 4 * rows, **style)


def _frame(panel: Axes, view: View) -> None:
    """Show the image and all that the outputs see around it, which is padding: grey."""
    h, w = view.field.input_size
    shown = [
        ((0, h - 1), (0, w - 1)),
        *(
            view.field.interval(position)
            for position in (*view.positions, centre_output(view.field))
        ),
    ]
    (top, bottom), (left, right) = (
        (min(interval[axis][0] for interval in shown), max(interval[axis][1] for interval in shown))
        for axis in (0, 1)
    )
    margin = 0.5 + 0.03 * max(bottom - top, right - left)
    panel.set(
        xlim=(left - margin, right + margin),
        ylim=(bottom + margin, top - margin),
        facecolor=PADDING_GREY,
    )
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    panel.add_patch(
        _rectangle(((0, h - 1), (0, w - 1)), fill=False, edgecolor="black", linewidth=0.8)
    )


if __name__ == "__main__":
    leave(command_line())
