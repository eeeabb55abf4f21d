hover(cellOf("y", "y.1.1.1.2"));
said.saw = [lit("x"), lit("k"), lit("b")];
said.framed = cells.filter((c, n) => cells.findIndex(d => d.grid === c.grid) === n).map(c => c.grid)
  .filter(grid => !grid.framed.hidden).map(grid => grid.spoken);
said.sum = [...$("sums").querySelectorAll("p")].map(line => line.textContent);
hover(cellOf("x", "x.2.2.1.2"));
said.sends = lit("y");
hover(cellOf("b", "b.1.2"));
said.bias = [lit("y"), $("sums").textContent.includes("b2 is added to 4 outputs:")];
cellOf("x", "x.1.1.1.2").focus();
press(document.activeElement, "ArrowRight");
press(document.activeElement, "9");
press(document.activeElement.closest("input"), "Enter");
said.typed = [focused(), at(state.x, [0, 1, 0, 1]), document.activeElement.getAttribute("aria-label")];
$("previous").click(); $("previous").click();
said.previous = keyOf(state.at.kind, state.at.index);
$("next").click();
said.next = keyOf(state.at.kind, state.at.index);

document.querySelector("input[value=db]").click();
said.ofBias = [grids.map(grid => grid.id), keyOf(state.at.kind, state.at.index), lit("dy"), $("again").hidden];
said.sumOfBias = $("sums").textContent;
hover(cellOf("dy", "y.1.2.1.2"));
said.term = $("sums").textContent;

$("biased").click();
said.unbiased = [[...$("maps").querySelectorAll("input")].map(choice => choice.value), writeState(state).includes("&b=")];
const before = String(listed("x", sizeOf(state, "x"), state.x));
pick("channels", "1"); pick("outputs", "1");
said.flat = [String(state.x), grids.map(grid => grid.id), keyOf(state.at.kind, state.at.index)];
pick("channels", "3");
said.refused = [$("groups").disabled, state.groups];
pick("outputs", "3"); pick("groups", "3");
said.depthwise = [grids.filter(grid => grid.id === "k").length, [...$("groups").options].map(option => option.disabled)];
pick("channels", "2");
said.mended = [state.groups, $("groups").value];
said.kept = String(listed("x", sizeOf(state, "x"), state.x).filter((_, n) => n % 2 === 0)) === before.split(",").filter((_, n) => n % 2 === 0).join();
