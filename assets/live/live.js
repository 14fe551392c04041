// Live view of a session: pictures by screencast, input back over the same WebSocket. One tab at a
// time; the list of tabs is asked for again and again. No text of a page becomes markup.
"use strict";
(() => {
  const query = new URLSearchParams(location.search);
  const parts = location.pathname.split("/"); // /live/sessions/ID or /live/pages/ID/TARGET
  const session = parts[3];
  const pinned = parts[2] === "pages" ? parts[4] : null;
  const key = query.get("key") || "";
  const element = (id) => document.getElementById(id);
  const screen = element("screen");
  const typing = element("typing");
  const pen = screen.getContext("2d");
  const bar = query.get("navbar") !== "false";
  const wantsControls = query.get("controls") !== "false";
  let controls = false;
  let chosen = null; // target id
  let socket = null;
  let ended = false;
  let lastId = 0;
  let page = { width: 1280, height: 720 };
  const waiting = new Map();

  function note(text) {
    element("note").textContent = text;
    element("note").hidden = !text;
  }

  function call(method, params = {}, answer) {
    if (!socket || socket.readyState !== WebSocket.OPEN) return;
    const id = ++lastId;
    if (answer) waiting.set(id, answer);
    socket.send(JSON.stringify({ id, method, params }));
  }

  function end(text) {
    if (ended) return;
    ended = true;
    note(text);
    if (socket) socket.close();
    window.parent.postMessage("browserbase-disconnected", "*");
  }

  // --- Pictures

  async function draw(frame) {
    const bytes = Uint8Array.from(atob(frame.data), (c) => c.charCodeAt(0));
    const picture = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }));
    if (screen.width !== picture.width || screen.height !== picture.height) {
      screen.width = picture.width;
      screen.height = picture.height;
    }
    pen.drawImage(picture, 0, 0);
    picture.close();
    page = { width: frame.metadata.deviceWidth, height: frame.metadata.deviceHeight };
    screen.classList.remove("blank");
    note("");
  }

  function show(target) {
    if (chosen === target || ended) return;
    chosen = target;
    if (socket) {
      socket.onclose = null;
      socket.close();
    }
    waiting.clear();
    screen.classList.add("blank");
    note("Connecting…");
    const scheme = location.protocol === "https:" ? "wss://" : "ws://";
    const mine = new WebSocket(
      `${scheme}${location.host}/debug/${encodeURIComponent(session)}/devtools/page/${encodeURIComponent(target)}` +
        `?key=${encodeURIComponent(key)}`);
    socket = mine;
    mine.onopen = () => {
      note("Waiting for the first picture…");
      call("Page.enable");
      call("Page.startScreencast", {
        format: "jpeg", quality: 70, everyNthFrame: 1,
        maxWidth: Math.min(1920, Math.round(innerWidth * devicePixelRatio)),
        maxHeight: Math.min(1920, Math.round(innerHeight * devicePixelRatio)),
      });
    };
    mine.onmessage = async (event) => {
      const message = JSON.parse(event.data);
      if (message.id) {
        const answer = waiting.get(message.id);
        waiting.delete(message.id);
        if (answer && message.result) answer(message.result);
      } else if (message.method === "Page.screencastFrame") {
        await draw(message.params).catch(() => {});
        if (socket === mine) call("Page.screencastFrameAck", { sessionId: message.params.sessionId });
      }
    };
    mine.onclose = (event) => {
      if (socket !== mine) return;
      socket = null;
      chosen = null;
      if (event.reason.startsWith("session ended")) end(`The session has ended (${event.reason.slice(15)}).`);
      else if (!ended) note("This tab is gone.");
    };
  }

  // --- Tabs

  function showTabs(pages) {
    const tabs = element("tabs");
    tabs.replaceChildren(...pages.map((tab) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = tab.title || tab.url || "New tab";
      button.title = tab.url;
      button.setAttribute("aria-current", String(tab.id === chosen));
      button.onclick = () => show(tab.id);
      return button;
    }));
    tabs.hidden = Boolean(pinned);
    const current = pages.find((tab) => tab.id === chosen);
    document.title = current ? current.title || current.url : "Live view";
    if (current && document.activeElement !== element("url")) element("url").value = current.url;
  }

  async function refresh() {
    try {
      const answer = await fetch(`/live/state/${encodeURIComponent(session)}?key=${encodeURIComponent(key)}`);
      if (answer.status === 410 || answer.status === 404) return end("The session has ended.");
      if (answer.status === 401 || answer.status === 403) return end("This address is not valid any more.");
      if (answer.ok) {
        const state = await answer.json();
        controls = state.controls && wantsControls;
        element("address").hidden = !controls;
        if (pinned) {
          if (state.pages.some((tab) => tab.id === pinned)) show(pinned);
          else if (!chosen) note("This tab is gone.");
        } else if (!state.pages.some((tab) => tab.id === chosen)) {
          if (state.pages.length) show(state.pages[0].id);
          else note("No page is open.");
        }
        showTabs(state.pages);
      }
    } catch {
      note("The service does not answer; trying again…");
    }
    if (!ended) setTimeout(refresh, 1500);
  }

  // --- Input

  const modifiers = (event) =>
    (event.altKey ? 1 : 0) | (event.ctrlKey ? 2 : 0) | (event.metaKey ? 4 : 0) | (event.shiftKey ? 8 : 0);
  const buttons = ["left", "middle", "right", "back", "forward"];

  function place(event) {
    const box = screen.getBoundingClientRect();
    return {
      x: Math.round(((event.clientX - box.left) * page.width) / box.width),
      y: Math.round(((event.clientY - box.top) * page.height) / box.height),
    };
  }

  function mouse(type, event, more = {}) {
    if (!controls) return;
    call("Input.dispatchMouseEvent", { type, ...place(event), modifiers: modifiers(event), ...more });
  }

  // A finger taps or scrolls; a mouse does what it does.
  let finger = null;
  screen.addEventListener("pointerdown", (event) => {
    if (!controls) return;
    screen.focus();
    screen.setPointerCapture(event.pointerId);
    if (event.pointerType === "touch") {
      finger = { x: event.clientX, y: event.clientY, moved: false };
      return;
    }
    mouse("mousePressed", event, { button: buttons[event.button] || "left", clickCount: Math.max(1, event.detail || 1) });
  });
  screen.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "touch") {
      return mouse("mouseMoved", event, { buttons: event.buttons, button: event.buttons & 1 ? "left" : "none" });
    }
    if (!finger) return;
    const deltaX = finger.x - event.clientX;
    const deltaY = finger.y - event.clientY;
    if (!finger.moved && Math.hypot(deltaX, deltaY) < 8) return;
    mouse("mouseWheel", event, { deltaX: 2 * deltaX, deltaY: 2 * deltaY });
    finger = { x: event.clientX, y: event.clientY, moved: true };
  });
  screen.addEventListener("pointerup", (event) => {
    if (event.pointerType !== "touch") {
      return mouse("mouseReleased", event, { button: buttons[event.button] || "left", clickCount: 1 });
    }
    if (finger && !finger.moved) {
      mouse("mouseMoved", event);
      mouse("mousePressed", event, { button: "left", clickCount: 1 });
      mouse("mouseReleased", event, { button: "left", clickCount: 1 });
    }
    finger = null;
  });
  screen.addEventListener("wheel", (event) => {
    if (!controls) return;
    event.preventDefault();
    const scale = event.deltaMode === 1 ? 20 : 1;
    mouse("mouseWheel", event, { deltaX: event.deltaX * scale, deltaY: event.deltaY * scale });
  }, { passive: false });
  screen.addEventListener("contextmenu", (event) => event.preventDefault());

  function keyEvent(type, event) {
    const printable = event.key.length === 1 && !event.ctrlKey && !event.metaKey;
    const text = type === "keyDown" ? (printable ? event.key : event.key === "Enter" ? "\r" : undefined) : undefined;
    call("Input.dispatchKeyEvent", {
      type: type === "keyDown" && !text ? "rawKeyDown" : type,
      key: event.key, code: event.code, text, modifiers: modifiers(event),
      windowsVirtualKeyCode: event.keyCode, autoRepeat: event.repeat, location: event.location,
    });
  }
  for (const [name, type] of [["keydown", "keyDown"], ["keyup", "keyUp"]]) {
    screen.addEventListener(name, (event) => {
      if (!controls || event.isComposing) return;
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "v") return; // becomes a paste
      event.preventDefault();
      keyEvent(type, event);
    });
  }
  window.addEventListener("paste", (event) => {
    if (!controls || document.activeElement === element("url")) return;
    event.preventDefault();
    call("Input.insertText", { text: event.clipboardData.getData("text/plain") });
  });

  // Keyboards on screens say what was written, not which key.
  typing.addEventListener("input", (event) => {
    if (event.isComposing) return;
    if (typing.value) call("Input.insertText", { text: typing.value });
    typing.value = "";
  });
  typing.addEventListener("keydown", (event) => {
    if (["Enter", "Backspace", "Tab", "Escape", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"].includes(event.key)) {
      event.preventDefault();
      keyEvent("keyDown", event);
      keyEvent("keyUp", event);
    }
  });

  element("keyboard").onclick = () => typing.focus();
  element("reload").onclick = () => call("Page.reload");
  function travel(step) {
    call("Page.getNavigationHistory", {}, (history) => {
      const entry = history.entries[history.currentIndex + step];
      if (entry) call("Page.navigateToHistoryEntry", { entryId: entry.id });
    });
  }
  element("back").onclick = () => travel(-1);
  element("forward").onclick = () => travel(1);
  element("address").onsubmit = (event) => {
    event.preventDefault();
    const wanted = element("url").value.trim();
    if (wanted) call("Page.navigate", { url: /^[a-z][a-z0-9+.-]*:/i.test(wanted) ? wanted : `https://${wanted}` });
    screen.focus();
  };

  element("bar").hidden = !bar;
  screen.classList.add("blank");
  refresh();
})();
