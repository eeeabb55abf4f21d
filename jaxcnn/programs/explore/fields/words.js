// The table, the sentence, and the equations with their numbers.

const fraction = ([above, under]) => under === 1 ? String(above) : `${above}/${under}`;

// "r_{3}" as a letter with its index; a line of an equation.
function marked(text) {
  const nodes = document.createDocumentFragment();
  text.split(/([A-Za-z]+_\{[^}]+\})/).forEach((part, n) => {
    const match = n % 2 ? /^([A-Za-z]+)_\{([^}]+)\}$/.exec(part) : null;
    nodes.append(...(match ? [element("i", {}, match[1]), element("sub", {}, match[2].replace("-", MINUS))] : [part]));
  });
  return nodes;
}
const equation = text => element("p", { class: "symbols" }, marked(text));
const remark = text => element("p", { class: "small" }, marked(text));
const signed = value => value < 0 ? `(${shown(value)})` : shown(value);
const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

// The middle of the field of unit u, as a line in u.
function centreLine({ start, scale, step }) {
  const slope = scale === 1 ? "u" : `${fraction(step)} u`;
  return start === 0 ? slope : `${slope} ${start < 0 ? MINUS : "+"} ${Number(Math.abs(start).toFixed(3))}`;
}

function tableOf(rows) {
  const heads = ["layer", "units", "field r", "stride S", "padding P", "centre of unit u"];
  const body = rows.map((row, l) => {
    const [least, most] = row.r === null ? sizesOf(rows, l) : [row.r, row.r];
    const cells = [row.n, least === most ? least : `${least} to ${most}`, fraction(row.step), row.P === null ? "–" : shown(row.P), centreLine(row)];
    return element("tr", { "data-row": l }, element("th", { scope: "row" }, titleOf(row, l)), ...cells.map(text => element("td", {}, String(text))));
  });
  return [element("thead", {}, element("tr", {}, ...heads.map(text => element("th", { scope: "col" }, text)))), element("tbody", {}, ...body)];
}

const range = ([first, last]) => first === last ? shown(first) : `${shown(first)} to ${shown(last)}`;
const nameOf = (l, unit) => l ? `Unit ${unit} of layer ${l}` : `Input ${unit}`;

function sentences(rows, [place, unit]) {
  const sets = linked(rows, [place, unit]), top = rows.length - 1, said = [];
  if (place) {
    const own = interval(rows, place, unit, true), wide = interval(rows, place, unit, false), seen = sets[0].units.size;
    const holes = own ? own[1] - own[0] + 1 - seen : 0, beyond = wide && !(own && own[0] === wide[0] && own[1] === wide[1]);
    const centre = rows[place].start + rows[place].scale * unit;
    said.push(own ? `${nameOf(place, unit)} sees ${plural(seen, "input")}, ${range(own)}${holes ? `, with ${plural(holes, "hole")}` : ""}.`
      : `${nameOf(place, unit)} sees no input.`);
    if (beyond) said.push(`As if the input went on, its field is ${range(wide)}: the rest is padding or never reached.`);
    said.push(`Its centre is ${shown(Number(centre.toFixed(3)))}.`);
  }
  if (place < top) {
    const reached = sets.at(-1).units, ends = [Math.min(...reached), Math.max(...reached)];
    said.push(reached.size ? `${place ? "It" : nameOf(0, unit)} reaches ${plural(reached.size, "unit")} of layer ${top}, ${range(ends)}.`
      : `${place ? "It" : nameOf(0, unit)} reaches nothing of layer ${top}.`);
  }
  return said.join(" ");
}

// How the field of a row follows from the row below, (3), and how many units of each row below one unit sees, (4).
function equations(rows, place) {
  if (!place) return [remark("The input itself: r_{0} = 1, S_{0} = 1, P_{0} = 0. Point at a unit above it.")];
  const row = rows[place], below = rows[place - 1], { w, span } = row, l = place, b = l - 1;
  const { kernel, stride, dilation, kind } = row.layer, [lo, hi] = padsOf(row.layer, below.n);
  const blocks = [equation(`D_{${l}} = d (k ${MINUS} 1) + 1 = ${dilation}·(${kernel} ${MINUS} 1) + 1 = ${span}`)];
  if (kind === "up") return [...blocks,
    equation(`n_{${l}} = s (n_{${b}} ${MINUS} 1) + D_{${l}} ${MINUS} lo ${MINUS} hi = ${stride}·(${below.n} ${MINUS} 1) + ${span} ${MINUS} ${signed(lo)} ${MINUS} ${signed(hi)} = ${row.n}`),
    equation(`S_{${l}} = S_{${b}} / s = ${fraction(below.step)} / ${stride} = ${fraction(row.step)}`),
    remark("Unit o meets the units i below with o = s i + d t " + MINUS + " lo for a tap t. By turns these are different taps, so no r and P describe all units: "
      + "each field is counted by itself, and the table has the least and the most."),
  ];
  blocks.push(equation(`n_{${l}} = ⌊(n_{${b}} + lo + hi ${MINUS} D_{${l}}) / s⌋ + 1 = ⌊(${below.n} + ${signed(lo)} + ${signed(hi)} ${MINUS} ${span}) / ${stride}⌋ + 1 = ${row.n}`));
  if (w.r) blocks.push(remark(`At the end, ${w.r} of the ${below.n + lo + hi} ${w.r === 1 ? "stands" : "stand"} in no window.`));
  if (row.r === null) return [...blocks, equation(`S_{${l}} = s S_{${b}} = ${stride}·${fraction(below.step)} = ${fraction(row.step)}`),
    remark("Behind a transposed convolution the units do not all see alike: their fields are counted one by one.")];
  const S = below.step[0], cells = cellsBelow(rows, place).map((count, n) => [place - n, count]);
  const steps = cells.slice(1).map(([j, count], n) => {
    const { w: window, span: D } = rows[j + 1];
    return equation(`r_{${j}} = ${window.s}·${cells[n][1]} + (${D} ${MINUS} ${window.s}) = ${count}`);
  });
  return [...blocks,
    equation(`r_{${l}} = r_{${b}} + (D_{${l}} ${MINUS} 1) S_{${b}} = ${below.r} + (${span} ${MINUS} 1)·${S} = ${row.r}`),
    equation(`S_{${l}} = s S_{${b}} = ${stride}·${S} = ${row.step[0]}`),
    equation(`P_{${l}} = P_{${b}} + lo S_{${b}} = ${shown(below.P)} + ${signed(lo)}·${S} = ${shown(row.P)}`),
    fieldEquation(row, l),
    element("h3", {}, "The same size, downwards"),
    remark(`One unit of layer ${l} sees so many units in a row of each row below: r_{${l}} = 1, then r_{j-1} = s_{j} r_{j} + (D_{j} ${MINUS} s_{j}).`),
    ...steps,
  ];
}

// (2) for the unit that is pointed at.
function fieldEquation({ r, step: [S], P }, l) {
  const u = state.at[1], first = S * u - P;
  return equation(`Unit u = ${u}: from S_{${l}} u ${MINUS} P_{${l}} = ${S}·${u} ${MINUS} ${signed(P)} = ${shown(first)} to ${shown(first)} + r_{${l}} ${MINUS} 1 = ${shown(first + r - 1)}`);
}
