// Receptive fields by the equations (1) to (4) of jaxcnn/receptive.py. A row is the input or a layer: its window w on the
// row below, its n units, and r, S and P of their fields. Behind a transposed convolution, whose units do not all see
// alike, r and P are null: fields are then found unit by unit, as the taps say. S is step[0] / step[1].

function rowsOf(state) {
  const rows = [{ n: state.input, r: 1, step: [1, 1], P: 0, start: 0, scale: 1, wide: new Map(), clipped: new Map() }];
  for (const layer of state.layers) {
    const below = rows.at(-1), w = windowOf(layer, below.n), span = dilated(w.k, w.d), [above, under] = below.step;
    const divisor = common(above * w.s, under * w.b);
    const problem = problemOf(w, span, rows.length);
    if (problem) return { rows, problem };
    rows.push({
      layer, w, span, n: w.m,
      r: below.r === null || w.b > 1 ? null : below.r + (span - 1) * above,
      P: below.r === null || w.b > 1 ? null : below.P + w.lo * above,
      step: [above * w.s / divisor, under * w.b / divisor],
      // The middle of the taps of unit u is start + scale u along the input.
      start: below.start + below.scale * ((span - 1) / 2 - w.lo) / w.b, scale: below.scale * w.s / w.b,
      wide: new Map(), clipped: new Map(),
    });
  }
  return { rows, problem: "" };
}

const common = (a, b) => b ? common(b, a % b) : a;

// A transposed convolution slides the flipped kernel over its input with holes, as an input gradient does.
function windowOf(layer, n) {
  const { kind, kernel: k, stride, dilation: d } = layer, [lo, hi] = padsOf(layer, n), last = dilated(k, d) - 1;
  return kind === "up" ? axisWindow({ n, k, s: 1, d, lo: last - lo, hi: last - hi, b: stride }) : axisWindow({ n, k, s: stride, d, lo, hi });
}

function problemOf(w, span, place) {
  const padded = dilated(w.n, w.b) + w.lo + w.hi;
  if (w.m === 0) return `Layer ${place}: its window spans ${span}, its padded input ${padded}`;
  return w.m > MOST.units ? `Layer ${place} would have ${w.m} units; this page goes to ${MOST.units}` : "";
}

// The units of the row below that a unit meets, in the order of its taps (1), those on padding too.
function met({ w }, unit) {
  const found = [];
  for (let t = 0; t < w.k; t++) {
    const position = w.s * unit + w.d * t - w.lo;
    if (position % w.b === 0) found.push(position / w.b);
  }
  return found;
}

const exists = (row, unit) => unit >= 0 && unit < row.n;

// First and last input that a unit sees: as if the image went on beyond its border, or of the image itself. Null for none.
function interval(rows, place, unit, clip) {
  if (place === 0) return clip && !exists(rows[0], unit) ? null : [unit, unit];
  const row = rows[place], known = clip ? row.clipped : row.wide;
  if (!known.has(unit)) {
    const below = met(row, unit).filter(i => !clip || exists(rows[place - 1], i));
    const parts = below.map(i => interval(rows, place - 1, i, clip)).filter(part => part !== null);
    known.set(unit, parts.length ? [Math.min(...parts.map(([first]) => first)), Math.max(...parts.map(([, last]) => last))] : null);
  }
  return known.get(unit);
}

// What a unit sees of each row below, and what of each row above sees it: sets of units, and the padding that taps meet.
function linked(rows, [place, unit]) {
  const sets = rows.map(() => ({ units: new Set(), pads: new Set() }));
  sets[place].units.add(unit);
  for (let l = place; l > 0; l--) for (const u of sets[l].units) for (const i of met(rows[l], u))
    sets[l - 1][exists(rows[l - 1], i) ? "units" : "pads"].add(i);
  for (let l = place + 1; l < rows.length; l++) for (let u = 0; u < rows[l].n; u++)
    if (met(rows[l], u).some(i => sets[l - 1].units.has(i))) sets[l].units.add(u);
  return sets;
}

// (4): how many units in a row of each row below one unit sees, from its own row to the input. Null at a transposed one.
function cellsBelow(rows, place) {
  const cells = [1];
  for (let l = place; l > 0; l--) {
    const { w, span } = rows[l];
    cells.push(cells.at(-1) === null || w.b > 1 ? null : w.s * cells.at(-1) + span - w.s);
  }
  return cells;
}

// The sizes of the fields of a row's units, least and most, as if the image went on.
function sizesOf(rows, place) {
  const sizes = [];
  for (let u = 0; u < rows[place].n; u++) {
    const whole_ = interval(rows, place, u, false);
    sizes.push(whole_ ? whole_[1] - whole_[0] + 1 : 0);
  }
  return [Math.min(...sizes), Math.max(...sizes)];
}
