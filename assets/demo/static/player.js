// <demo-player>: a player with an open shadow root. It shows the poster and lets time pass; there is no
// film in it.
import { poster } from "/static/poster.js";

const style = new CSSStyleSheet();
style.replaceSync(`
  :host { display: block; position: relative; aspect-ratio: 16 / 9; background: #000; border-radius: 12px; overflow: hidden; }
  svg { display: block; width: 100%; height: 100%; }
  .screen.playing svg { filter: saturate(1.25) brightness(1.15); }
  .screen { width: 100%; height: 100%; }
  .controls { position: absolute; inset: auto 0 0 0; display: flex; gap: 12px; align-items: center; padding: 28px 14px 10px;
    color: #fff; background: linear-gradient(transparent, rgb(0 0 0 / .85)); font: 500 14px system-ui, sans-serif; }
  button, select { font: inherit; color: inherit; background: rgb(255 255 255 / .16); border: 0; border-radius: 8px; padding: 7px 12px; cursor: pointer; }
  button { min-width: 74px; }
  option { color: #111; }
  button:focus-visible, select:focus-visible, input:focus-visible { outline: 2px solid #fdba74; outline-offset: 2px; }
  input { flex: 1; accent-color: #f97316; min-width: 60px; }
  .time { font-variant-numeric: tabular-nums; white-space: nowrap; }
`);

const clock = (seconds) => {
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = two(Math.floor(seconds) % 60);
  return hours ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
};

class DemoPlayer extends HTMLElement {
  #position = 0;
  #playing = false;
  #last = 0;

  connectedCallback() {
    const film = JSON.parse(this.dataset.film);
    this.seconds = Number(this.dataset.seconds);
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [style];
    root.innerHTML = `
      <div class="screen"></div>
      <div class="controls" role="group" aria-label="Player">
        <button type="button" class="play" aria-label="Play">Play</button>
        <input class="seek" type="range" min="0" max="${this.seconds}" step="1" value="0" aria-label="Seek">
        <span class="time"><span class="current">0:00</span> / <span class="duration">${clock(this.seconds)}</span></span>
        <select class="speed" aria-label="Speed">
          <option value="0.5">0.5x</option><option value="1" selected>1x</option><option value="1.5">1.5x</option><option value="2">2x</option>
        </select>
        <button type="button" class="mute" aria-pressed="false">Mute</button>
      </div>`;
    root.querySelector(".screen").append(poster(film));
    root.querySelector(".play").addEventListener("click", () => this.toggle());
    root.querySelector(".seek").addEventListener("input", (event) => this.seek(Number(event.target.value)));
    root.querySelector(".mute").addEventListener("click", (event) => {
      const muted = event.target.getAttribute("aria-pressed") !== "true";
      event.target.setAttribute("aria-pressed", String(muted));
    });
  }

  disconnectedCallback() {
    this.#playing = false;
  }

  toggle() {
    this.#playing = !this.#playing;
    if (this.#position >= this.seconds) this.#position = 0;
    const button = this.shadowRoot.querySelector(".play");
    button.textContent = this.#playing ? "Pause" : "Play";
    button.setAttribute("aria-label", button.textContent);
    this.shadowRoot.querySelector(".screen").classList.toggle("playing", this.#playing);
    this.#last = performance.now();
    if (this.#playing) this.#tick();
  }

  seek(seconds) {
    this.#position = Math.min(seconds, this.seconds);
    this.#draw();
  }

  #tick() {
    if (!this.#playing) return;
    const now = performance.now();
    const speed = Number(this.shadowRoot.querySelector(".speed").value);
    this.#position = Math.min(this.seconds, this.#position + ((now - this.#last) / 1000) * speed);
    this.#last = now;
    this.#draw();
    if (this.#position >= this.seconds) this.toggle();
    else setTimeout(() => this.#tick(), 250);
  }

  #draw() {
    this.shadowRoot.querySelector(".current").textContent = clock(this.#position);
    this.shadowRoot.querySelector(".seek").value = String(Math.floor(this.#position));
  }
}

customElements.define("demo-player", DemoPlayer);
