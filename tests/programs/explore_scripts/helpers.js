// What the scripts of these tests share: each fills `said`, which the test reads.
const cellOf = (grid, key) => cells.find(c => c.grid.id === grid && c.key === key).element;
const press = (target, key, more = {}) =>
  target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
const hover = target => target.dispatchEvent(new PointerEvent("pointerover", { bubbles: true, pointerType: "mouse" }));
const pick = (id, value) => { $(id).value = value; $(id).dispatchEvent(new Event("change", { bubbles: true })); };
const later = ms => new Promise(done => setTimeout(done, ms));
const lit = grid => cells.filter(c => c.grid.id === grid && c.element.matches(".in, .at")).map(c => c.key).join(" ");
const texts = grid => cells.filter(c => c.grid.id === grid && c.index).map(c => c.element.firstChild.textContent).join(" ");
const focused = () => document.activeElement.cell?.key ?? document.activeElement.tagName;
const said = {};
