// Behaviour of the test pages: dialogs, frames, buttons that are hard to click.

const byId = (id) => document.getElementById(id);
const on = (id, act) => byId(id)?.addEventListener("click", act);
const show = (id, text) => { byId(id).textContent = text; };

on("alert", () => { alert("The projector is warm."); show("result", "alert closed"); });
on("confirm", () => show("result", confirm("Start the show?") ? "confirmed" : "declined"));
on("prompt", () => show("result", `prompt: ${prompt("Which reel?", "1")}`));
on("guard", (event) => {
  addEventListener("beforeunload", (leaving) => leaving.preventDefault());
  event.target.setAttribute("aria-pressed", "true");
});

on("spin", () => { for (;;); });
on("outside", () => show("count", String(Number(byId("count").textContent) + 1)));

byId("order")?.addEventListener("submit", (event) => {
  event.preventDefault();
  show("ordered", `Reel ${byId("reel").value} is ordered.`);
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-says]");
  if (button) show("clicked", button.dataset.says);
});

if (byId("moving")) {
  const began = performance.now();
  const move = (now) => {
    const part = Math.min(1, (now - began) / 1000);
    byId("moving").style.transform = `translateX(${Math.round(part * 240)}px)`;
    if (part < 1) requestAnimationFrame(move);
  };
  requestAnimationFrame(move);
  setTimeout(() => {
    byId("cover").remove();
    byId("disabled").disabled = false;
    byId("hidden").hidden = false;
    const late = document.createElement("button");
    late.type = "button";
    late.className = "button";
    late.dataset.says = "late";
    late.textContent = "Late";
    byId("late").append(late);
  }, 1000);
}
