const at = () => state.at.join("."), address = () => location.hash.slice(1), count = (l, name) => {
  const shape = drawn.marks[l][name].getAttribute("d");
  return shape ? shape.split("M").length - 1 : 0;
};
const type = (field, value) => { field.value = value; field.dispatchEvent(new Event("input", { bubbles: true })); };
const layer = n => $("layers").children[n].fields, line = n => [...$("table").querySelectorAll("tbody tr")[n].children].map(cell => cell.textContent);
const go = async hash => { location.hash = hash; await later(400); };
const picture = $("picture");

said.first = [at(), $("says").textContent];
said.lit = [count(0, "unit seen"), count(1, "unit seen"), count(2, "unit seen")];
const frame = picture.getBoundingClientRect(), { plan } = drawn;
const place = { clientX: frame.left + plan.x(1, 0), clientY: frame.top + plan.y(1) + 5, bubbles: true };
picture.dispatchEvent(new PointerEvent("pointermove", { ...place, pointerType: "mouse" }));
await later(400);
said.pointed = [at(), address().split("at=")[1]];
said.moved = [];
for (const key of ["ArrowRight", "ArrowUp", "End", "ArrowDown", "ArrowDown"]) { press(picture, key); said.moved.push(at()); }
said.reached = $("says").textContent;

$("stack").open = true;
layer(0).kernel.focus();
type(layer(0).kernel, "4");
layer(0).padding.value = "same";
layer(0).padding.dispatchEvent(new Event("change"));
point([2, 3]);
await later(400);
said.typed = [address(), [layer(0).lo.value, layer(0).hi.value], document.activeElement === layer(0).kernel];
said.equations = $("equations").textContent;
type(layer(0).kernel, "");
said.half = [layer(0).kernel.value, layer(0).kernel.hasAttribute("aria-invalid"), $("refused").textContent, String(state.layers[0].kernel)];
$("layers").children[0].querySelector("[aria-label^=remove]").click();
document.querySelector("[data-add=up]").click();
await later(400);
said.stack = address();
said.up = line(2);

await go("#input=0&stack=conv");
said.refused = [$("refused").textContent, writeStack(state)];
await go("#input=8&stack=conv:k2&at=1.0");
said.opened = [$("refused").hidden, writeStack(state)];
await go("#input=4&stack=conv,conv");
said.small = [$("problem").hidden, [...$("labels").children].slice(-1).map(text => text.textContent.split(": ")[1])];

said.wide = [];
for (const words of Object.values(PRESETS)) {
  openStack(words);
  if (document.documentElement.scrollWidth > innerWidth) said.wide.push([words, document.documentElement.scrollWidth]);
}
