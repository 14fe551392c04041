// Plays the pictures of a recorded session in their own time; long pauses are shortened.
"use strict";
(() => {
  const key = new URLSearchParams(location.search).get("key") || "";
  const session = location.pathname.split("/")[3];
  const element = (id) => document.getElementById(id);
  const screen = element("screen");
  const pen = screen.getContext("2d");
  const pauseMax = 2000; // ms of a pause that are played
  const speeds = [1, 2, 4, 0.5];
  const reloadAfter = 3000; // ms, while the session goes on
  let pages = [];
  let page = null;
  let at = 0; // number of the picture that is shown
  let speed = 1;
  let timer = null;
  const kept = new Map(); // picture number -> promise of a bitmap

  const address = (path) => `/live/recordings/${encodeURIComponent(session)}${path}?key=${encodeURIComponent(key)}`;

  function note(text) {
    element("note").textContent = text;
    element("note").hidden = !text;
  }

  function picture(number) {
    if (!kept.has(number)) {
      kept.set(number, fetch(address(`/${encodeURIComponent(page.id)}/${number}`))
        .then((answer) => answer.blob()).then(createImageBitmap));
      if (kept.size > 60) kept.delete(kept.keys().next().value);
    }
    return kept.get(number);
  }

  function clock(ms) {
    const seconds = Math.floor(ms / 1000);
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }

  async function show(number) {
    at = number;
    const mine = page;
    const bitmap = await picture(number).catch(() => null);
    if (!bitmap || page.id !== mine.id || at !== number) return;
    screen.width = bitmap.width;
    screen.height = bitmap.height;
    pen.drawImage(bitmap, 0, 0);
    screen.classList.remove("blank");
    element("position").value = String(number);
    const frame = page.frames[number];
    element("time").textContent =
      `${clock(frame.t - page.frames[0].t)} / ${clock(page.frames[page.frames.length - 1].t - page.frames[0].t)}`;
    document.title = frame.url;
  }

  function stop() {
    clearTimeout(timer);
    timer = null;
    element("play").textContent = "Play";
  }

  async function step() {
    if (at + 1 >= page.frames.length) return stop();
    const pause = Math.min(page.frames[at + 1].t - page.frames[at].t, pauseMax) / speed;
    picture(at + 1);
    timer = setTimeout(async () => {
      if (timer === null) return;
      await show(at + 1);
      if (timer !== null) step();
    }, pause);
  }

  function play() {
    if (!page) return;
    if (timer !== null) return stop();
    element("play").textContent = "Pause";
    if (at + 1 >= page.frames.length) at = 0;
    step();
  }

  function choose(chosen) {
    stop();
    page = chosen;
    kept.clear();
    list();
    show(0);
  }

  function list() {
    element("position").max = String(page.frames.length - 1);
    element("tabs").replaceChildren(...pages.map((one) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = one.url || `Page ${one.id}`;
      button.title = one.url;
      button.setAttribute("aria-current", String(one === page));
      button.onclick = () => choose(one);
      return button;
    }));
  }

  // The session may go on meanwhile: then there are more pictures, and more tabs.
  async function load() {
    const answer = await fetch(address(""));
    if (!answer.ok) return note("There is no recording here, or this address is not valid any more.");
    const index = await answer.json();
    pages = index.pages;
    note("");
    element("ended").textContent = index.endReason ? `The recording ended: ${index.endReason}` : "";
    element("ended").hidden = !index.endReason;
    const same = page && pages.find((one) => one.id === page.id);
    if (same) {
      page = same;
      list();
    } else {
      choose(pages[0]);
    }
    if (index.live) setTimeout(() => load().catch(() => {}), reloadAfter);
  }

  element("play").onclick = play;
  element("position").oninput = (event) => { stop(); show(Number(event.target.value)); };
  element("speed").onclick = () => {
    speed = speeds[(speeds.indexOf(speed) + 1) % speeds.length];
    element("speed").textContent = `${speed}×`;
  };

  load().catch(() => note("The service does not answer."));
})();
