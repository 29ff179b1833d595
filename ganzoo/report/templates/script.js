"use strict";
// One sheet of each figure is visible: that of the chosen seed and of the slider's step.
function wire(board) {
  const slider = board.querySelector("input[type=range]");
  const seed = board.querySelector("select");
  const told = board.querySelector("output");
  const show = () => {
    const step = slider ? slider.dataset.steps.split(" ")[slider.value] : null;
    if (told && step !== null) told.textContent = "step " + Number(step).toLocaleString("en");
    for (const one of board.querySelectorAll("[data-step]")) {
      one.hidden = (step !== null && one.dataset.step !== step) ||
        (seed !== null && one.dataset.seed !== undefined && one.dataset.seed !== seed.value);
    }
    for (const one of board.querySelectorAll("[data-otherwise]")) {
      one.hidden = one.parentElement.querySelector("[data-step]:not([hidden])") !== null;
    }
  };
  for (const control of [slider, seed]) if (control) control.addEventListener("input", show);
  show();
}
document.querySelectorAll("[data-board]").forEach(wire);
