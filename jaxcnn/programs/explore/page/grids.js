// Grids of numbers: one cell can be focused in each, arrow keys move from entry to entry, a number is edited in place.

let cells = [];

// A block has its caption once, above its planes; where there are images and channels, each image has one too.
function buildBlock(rows) {
  const [[first]] = rows, across = rows[0].length;
  if (rows.length * across === 1) return buildGrid(first, captionOf(first));
  const sides = `--across:${across};--columns:${first.count[1]}`;
  return element("figure", { class: `block k${first.kind}`, style: sides }, captionOf(first), ...rows.map(row => {
    const [{ labels }] = row, image = labels.length > 1 ? [element("p", {}, labels[0])] : [];
    return element("div", { class: "planes" }, ...image,
      ...row.map(grid => buildGrid(grid, element("figcaption", {}, grid.labels.at(-1)))));
  }));
}

function captionOf(grid) {
  const caption = element("figcaption", {}, marked(grid.caption));
  if (grid.edit) caption.append(element("span", { class: "soft" }, " · edit"));
  return caption;
}

function buildGrid(grid, caption) {
  const box = element("figure", { class: `grid k${grid.kind}`, style: `--rows:${grid.count[0]};--columns:${grid.count[1]}` });
  grid.spoken = spoken([grid.caption, ...grid.labels ?? []].join(", "));
  const body = element("div", { class: "cells", role: "grid", "aria-label": grid.spoken, "aria-readonly": !grid.edit });
  for (let i = 0; i < grid.count[0]; i++) {
    const row = element("div", { role: "row" });
    for (let j = 0; j < grid.count[1]; j++) row.append(buildCell(grid, [grid.from[0] + i, grid.from[1] + j]));
    body.append(row);
  }
  grid.framed = element("div", { class: "frame", "aria-hidden": "true", hidden: "" });
  body.append(grid.framed);
  box.append(caption, body);
  return box;
}

function buildCell(grid, position) {
  const index = grid.index(position), looks = grid.looks(position);
  const made = element("div", { role: "gridcell", class: `cell ${looks}${index ? "" : " blank"}` });
  const cell = { grid, position, index, element: made, key: index && keyOf(grid.kind, index) };
  made.append(element("span"));
  if (index) {
    made.tabIndex = -1;
    made.cell = cell;
  } else {
    made.setAttribute("aria-label", grid.blank === undefined ? "0" : `padding ${grid.blank}`);
    made.firstChild.textContent = grid.id === "dx" ? "" : looks === "cut" ? "" : grid.blank ?? "0";
  }
  cells.push(cell);
  return made;
}

const spoken = text => text.replaceAll("dJ/d", "dJ by d").replaceAll("x̂", "x hat");

function fillCells() {
  for (const cell of cells.filter(c => c.index)) {
    const value = cell.grid.value(cell.index);
    cell.element.firstChild.textContent = short(value);
    cell.element.classList.toggle("long", short(value).length > 3);
    const where = `row ${cell.index[0] + 1}, column ${cell.index[1] + 1}`;
    cell.element.setAttribute("aria-label", `${cell.grid.spoken}, ${where}: ${shown(value)}`);
  }
}

// Marks the chosen entry and those that it is multiplied with, numbered like the terms of its sum.
function markCells(grids, chosen, linked) {
  const key = keyOf(chosen.kind, chosen.index);
  for (const cell of cells.filter(c => c.index)) {
    const link = linked.get(cell.key), classes = cell.element.classList;
    classes.toggle("at", cell.key === key);
    classes.toggle("in", link !== undefined);
    classes.toggle("won", Boolean(link?.won));
    cell.element.dataset.tag = link?.tag ?? "";
    cell.element.setAttribute("aria-selected", String(cell.key === key));
  }
  for (const grid of grids) {
    const own = cells.filter(c => c.grid === grid && c.index);
    const active = own.find(c => c.key === key) ?? own.find(c => c.element === document.activeElement) ?? own[0];
    for (const cell of own) cell.element.tabIndex = cell === active ? 0 : -1;
    const frame = grid.frame(chosen);
    grid.framed.hidden = !frame;
    if (frame) frame.forEach(([start, length], axis) => {
      grid.framed.style[axis ? "left" : "top"] = `${100 * start / grid.count[axis]}%`;
      grid.framed.style[axis ? "width" : "height"] = `${100 * length / grid.count[axis]}%`;
    });
  }
}

// Where an arrow key leads: to the next entry in that direction, over holes and pads.
const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

function neighbour(cell, key, whole) {
  const own = cells.filter(c => c.grid === cell.grid && c.index), [i, j] = cell.position;
  if (key === "Home" || key === "End") {
    const row = whole ? own : own.filter(c => c.position[0] === i);
    return key === "Home" ? row[0] : row.at(-1);
  }
  const [di, dj] = MOVES[key];
  for (let n = 1; n < 32; n++) {
    const next = own.find(c => same(c.position, [i + n * di, j + n * dj]));
    if (next) return next;
  }
  return cell;
}

// Editing: a field in the cell. Enter and leaving it keep the number, Escape does not.
function editCell(cell, text = null) {
  if (!cell.grid.edit || cell.element.querySelector("input")) return;
  const label = `new value of ${cell.element.getAttribute("aria-label")}`;
  const field = element("input", { type: "text", "aria-label": label, autocomplete: "off", enterkeyhint: "done" });
  field.value = text ?? written(cell.grid.value(cell.index));
  let done = false;
  const close = (keep, focus) => {
    if (done) return;
    done = true;
    const value = keep ? typed(field.value) : null;
    field.remove();
    if (value !== null) setNumber(cell.grid.edit, cell.index, value);
    if (focus) cell.element.focus();
  };
  field.addEventListener("keydown", event => {
    event.stopPropagation();
    if (event.key === "Enter" || event.key === "Escape") { event.preventDefault(); close(event.key === "Enter", true); }
  });
  field.addEventListener("input", () => field.toggleAttribute("aria-invalid", typed(field.value) === null));
  field.addEventListener("blur", () => close(true, false));
  cell.element.append(field);
  field.focus();
  if (text === null) field.select();
}

function listen(stage) {
  const cellOf = event => event.target.closest?.(".cell")?.cell;
  let focusedBefore = null;
  stage.addEventListener("pointerover", event => {
    const cell = cellOf(event);
    if (cell && event.pointerType === "mouse" && !document.querySelector(".cell input")) choose(cell);
  });
  stage.addEventListener("pointerdown", () => { focusedBefore = document.activeElement; });
  stage.addEventListener("focusin", event => { if (event.target.cell) choose(event.target.cell); });
  stage.addEventListener("click", event => {
    const cell = cellOf(event);
    if (!cell || event.target.matches("input")) return;
    if (focusedBefore === cell.element) editCell(cell); else cell.element.focus();
  });
  stage.addEventListener("keydown", event => {
    const cell = event.target.cell;
    if (!cell || event.altKey || event.metaKey) return;
    if (event.key in MOVES || event.key === "Home" || event.key === "End") {
      event.preventDefault();
      neighbour(cell, event.key, event.ctrlKey).element.focus();
    } else if (!event.ctrlKey && (event.key === "Enter" || event.key === "F2")) { event.preventDefault(); editCell(cell); }
    else if (!event.ctrlKey && /^[-+.\d]$/.test(event.key) && cell.grid.edit) { event.preventDefault(); editCell(cell, event.key); }
  });
}
