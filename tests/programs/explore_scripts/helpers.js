// What the scripts on the page of gradients share.
const cellOf = (grid, key) => cells.find(c => c.grid.id === grid && c.key === key).element;
const hover = target => target.dispatchEvent(new PointerEvent("pointerover", { bubbles: true, pointerType: "mouse" }));
const lit = grid => cells.filter(c => c.grid.id === grid && c.element.matches(".in, .at")).map(c => c.key).join(" ");
const texts = grid => cells.filter(c => c.grid.id === grid && c.index).map(c => c.element.firstChild.textContent).join(" ");
const focused = () => document.activeElement.cell?.key ?? document.activeElement.tagName;
