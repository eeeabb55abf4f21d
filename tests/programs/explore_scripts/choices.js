pick("input-0", "6");
pick("stride-0", "2");
pick("before-1", "-1");
said.outputs = texts("y").split(" ").length;
said.first = state.x[0].join();
said.cut = cells.filter(c => c.element.matches(".cut")).length;
pick("kernel-0", "5"); pick("dilation-0", "3");
said.none = [texts("y"), $("sentence").textContent.includes("larger than the padded input")];
location.hash = "#op=max_pool&map=dx&input=2x2&x=1,nan,nan,4&dy=5&at=y.1.1";
await later(500);
said.pool = [texts("dx"), lit("dx"), $("sums").textContent.includes("Of 2 NaNs the last one"),
  cellOf("x", "x.2.1").matches(".won")];
document.querySelector("input[value=batch_norm]").click();
said.norm = [texts("third").split(" ").length, $("input-0").disabled, $("kernel-0").disabled, $("normal").hidden];
