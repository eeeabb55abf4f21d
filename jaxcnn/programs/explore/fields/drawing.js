// The drawing: rows of units with their connections, and what belongs to the unit that is pointed at.

const MOST_LINES = 4000;
let drawn = null;

function svg(tag, attributes = {}, ...content) {
  const made = document.createElementNS($("picture").namespaceURI, tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...content);
  return made;
}

const lines = (plan, l, pairs) => pairs.map(([u, i]) =>
  `M${fixed(plan.x(l, u))} ${plan.y(l) + BOX}L${fixed(plan.x(l - 1, i))} ${plan.y(l - 1)}`).join("");
const boxes = (plan, l, units) => [...units].map(u =>
  `M${fixed(plan.x(l, u) - plan.box(l) / 2)} ${plan.y(l)}h${fixed(plan.box(l))}v${BOX}h${fixed(-plan.box(l))}z`).join("");
const fixed = value => Number(value.toFixed(1));
const unitsOf = row => Array.from({ length: row.n }, (_, u) => u);
const titleOf = (row, l) => l ? `${l} ${row.layer.kind === "conv" ? "conv" : KINDS[row.layer.kind]} ${row.layer.kernel}` : "input";

function draw(rows) {
  const available = $("drawing").clientWidth, plan = layoutOf(rows, available), picture = $("picture"), all = svg("g"), lit = svg("g"), labels = svg("g", { id: "labels" });
  picture.setAttribute("viewBox", `0 0 ${plan.width} ${plan.height}`);
  picture.setAttribute("width", plan.width);
  picture.setAttribute("height", plan.height);
  const marks = rows.map((row, l) => {
    const pairs = l ? unitsOf(row).flatMap(u => met(row, u).map(i => [u, i])) : [];
    if (pairs.length <= MOST_LINES) all.append(svg("path", { class: "line", d: lines(plan, l, pairs) }));
    const top = l === rows.length - 1;
    all.append(svg("path", { class: "pad", d: boxes(plan, l, plan.pads[l]) }),
      svg("path", { class: "unit", d: boxes(plan, l, unitsOf(row).filter(u => top || plan.used[l].has(u))) }),
      svg("path", { class: "unit unmet", d: boxes(plan, l, unitsOf(row).filter(u => !top && !plan.used[l].has(u))) }));
    labels.append(svg("text", { class: "label", x: SIDE, y: plan.y(l) - 6 }, `${titleOf(row, l)}: ${row.n} units`));
    const mark = {};
    for (const name of ["line seen", "line reached", "pad seen", "unit seen", "unit reached", "unit at"]) {
      mark[name] = svg("path", { class: `lit ${name}` });
      lit.append(mark[name]);
    }
    return mark;
  });
  const numbers = svg("g", { class: "numbers" });
  rows.forEach((row, l) => {
    if (plan.box(l) >= (row.n > 99 ? 19 : 14)) for (const u of unitsOf(row)) numbers.append(svg("text", { x: fixed(plan.x(l, u)), y: plan.y(l) + BOX - 5 }, u));
  });
  const bracket = svg("path", { class: "bracket" }), words = svg("text", { class: "size", "text-anchor": "middle" });
  picture.replaceChildren(all, lit, numbers, bracket, words, labels);
  drawn = { available, plan, marks, bracket, words, numbers };
}

// Lights up what the unit sees below it, and what sees it above.
function mark(rows, at) {
  const { plan, marks, bracket, words, numbers } = drawn, sets = linked(rows, at), [place, unit] = at;
  marks.forEach((parts, l) => {
    const has = i => sets[l - 1]?.units.has(i), above = l > place, below = l && l <= place;
    const pairs = test => [...sets[l].units].flatMap(u => met(rows[l], u).filter(test).map(i => [u, i]));
    const shapes = {
      "line seen": below ? lines(plan, l, pairs(() => true)) : "", "line reached": above ? lines(plan, l, pairs(has)) : "",
      "pad seen": boxes(plan, l, sets[l].pads), "unit seen": l < place ? boxes(plan, l, sets[l].units) : "",
      "unit reached": above ? boxes(plan, l, sets[l].units) : "", "unit at": l === place ? boxes(plan, l, [unit]) : "",
    };
    for (const [name, d] of Object.entries(shapes)) parts[name].setAttribute("d", d);
  });
  for (const text of numbers.children) text.classList.toggle("at", text.textContent === String(unit) && text.getAttribute("y") === String(plan.y(place) + BOX - 5));
  const wide = interval(rows, place, unit, false), y = plan.y(0) + BOX + 6;
  const inside = x => Math.min(Math.max(x, 1), plan.width - 1), [first, last] = (wide ?? [0, -1]).map((end, k) => plan.across(end + k - .5));
  const ends = [first, last].map(x => x === inside(x) ? "v-4" : "");
  bracket.setAttribute("d", wide ? `M${fixed(inside(first))} ${y + 4}${ends[0] && "v-4v4"}H${fixed(inside(last))}${ends[1]}` : "");
  words.textContent = wide ? `field ${shown(wide[0])} to ${shown(wide[1])}: ${wide[1] - wide[0] + 1}` : "no field";
  words.setAttribute("y", y + 20);
  words.setAttribute("x", Math.min(Math.max(plan.x(place, unit), 75), plan.width - 75));
}

const shown = value => String(value).replace("-", MINUS);

// Scrolls sideways until the unit is in sight, for the keyboard.
function reveal([place, unit]) {
  const box = $("drawing"), x = drawn.plan.x(place, unit);
  if (x < box.scrollLeft + 30 || x > box.scrollLeft + box.clientWidth - 30) box.scrollLeft = x - box.clientWidth / 2;
}

function listenToDrawing() {
  const picture = $("picture"), unitAt = event => {
    const frame = picture.getBoundingClientRect();
    return drawn.plan.nearest(event.clientX - frame.left, event.clientY - frame.top);
  };
  picture.addEventListener("pointermove", event => { if (event.pointerType === "mouse") point(unitAt(event)); });
  picture.addEventListener("click", event => point(unitAt(event)));
  picture.addEventListener("keydown", event => {
    if (event.altKey || event.metaKey || event.ctrlKey || !(event.key in STEPS)) return;
    event.preventDefault();
    move(event.key);
  });
  $("drawing").addEventListener("scroll", () => $("labels")?.setAttribute("transform", `translate(${$("drawing").scrollLeft})`));
  for (const button of document.querySelectorAll("[data-step]")) button.addEventListener("click", () => move(button.dataset.step));
}

// From unit to unit, and to the unit of the next row that stands nearest.
const STEPS = {
  ArrowLeft: ([l, u]) => [l, u - 1], ArrowRight: ([l, u]) => [l, u + 1], Home: ([l]) => [l, 0], End: ([l]) => [l, Infinity],
  ArrowUp: ([l, u]) => [l + 1, u], ArrowDown: ([l, u]) => [l - 1, u],
};

function move(key) {
  const [l, u] = state.at, [place, unit] = STEPS[key]([l, u]), { rows } = result;
  if (place < 0 || place >= rows.length) return;
  const there = place === l ? Math.min(Math.max(unit, 0), rows[l].n - 1) : drawn.plan.unitAt(place, rows[l].start + rows[l].scale * u);
  point([place, there]);
  reveal(state.at);
}
