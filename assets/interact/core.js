// Finds elements, waits until one can be used, and tells what an action changed. Runs in an isolated
// world: the page neither sees nor breaks it. Loaded once per document, before the other scripts.
(() => {
  if (globalThis.__troupe) return;
  const T = (globalThis.__troupe = { refs: [], has: { core: 1 } });
  // Another script is needed to go on: the caller sends it and calls again. Before any effect only.
  T.want = (script) => {
    if (!T.has[script]) throw new Error('__troupe wants ' + script);
    return true;
  };

  // --- Trees: shadow roots and same-origin frames are part of the page. ---
  // Closed shadow roots are told from outside, once somebody looked into the elements that may have one.
  const closed = new WeakMap(), checked = new WeakSet(), closedNames = new Set(), clearNames = new Set();
  const shadowOf = (e) => e.shadowRoot || closed.get(e) || null;
  T.open = (host, root) => {
    closed.set(host, root);
    closedNames.add(host.localName);
    return 1;
  };
  const frameDocument = (e) => {
    if (e.localName !== 'iframe' && e.localName !== 'frame') return null;
    try {
      return e.contentDocument;
    } catch {
      return null;
    }
  };
  // All but the most usual elements that can have no shadow root: the first look at an element costs.
  let flat = false;  // for now, by atOnce
  const ENTRIES = ':not(a,b,i,u,s,em,strong,small,code,li,ul,ol,dl,dt,dd,table,tbody,thead,tr,td,th,img,svg *,input,button,label,select,option,script,style,link,meta)';
  const roots = (start) => {
    const found = [start];
    if (flat && start === document) return found;
    const enter = (e) => {
      const inner = shadowOf(e) || frameDocument(e);
      if (inner) found.push(inner);
    };
    if (start.nodeType === 1) enter(start);
    for (let i = 0; i < found.length; i++) for (const e of found[i].querySelectorAll(ENTRIES)) enter(e);
    return found;
  };
  // Frames of other origins that a person can see: their own scripts must be asked.
  T.foreign = () => {
    let count = 0;
    if (!window.length) return 0;
    for (const r of roots(document))
      for (const e of r.querySelectorAll('iframe,frame')) if (!frameDocument(e) && visible(e)) count++;
    return count;
  };
  const parentOf = (n) => {
    if (n.assignedSlot) return n.assignedSlot;
    if (n.parentNode) return n.parentNode;
    if (n.host) return n.host;
    try {
      return (n.nodeType === 9 && n.defaultView && n.defaultView.frameElement) || null;
    } catch {
      return null;
    }
  };
  const holds = (ancestor, node) => {
    for (let n = node; n; n = parentOf(n)) if (n === ancestor) return true;
    return false;
  };
  const UNCLEAN = /[^\S ]|^ | $|  /;
  const clean = (s) => (s ? (UNCLEAN.test(s) ? s.replace(/\s+/g, ' ').trim() : s) : '');
  const fold = (s) => clean(s).toLowerCase();
  const fits = (have, want, exact) => {
    const a = fold(have), b = fold(want);
    return exact ? a === b : a.includes(b);
  };

  // --- Visibility and geometry, in coordinates of the top view. ---
  const frameOf = (e) => {
    try { return e.ownerDocument.defaultView.frameElement; } catch { return null; }
  };
  const SHOWN = { visibilityProperty: true };
  const visible = (e, known) => {
    if (!e.isConnected) return false;
    if (e.checkVisibility && !e.checkVisibility(SHOWN)) return false;
    const r = known || e.getBoundingClientRect();
    if (r.width < 1 || r.height < 1) {
      const inner = [...e.children].some((c) => visible(c));
      if (!inner) return false;
    }
    const frame = !flat && (window.length || window !== top) ? frameOf(e) : null;
    return !frame || visible(frame);
  };
  // Where the view of a frame begins, in the coordinates of the document that its element is in.
  const corner = (f) => {
    const r = f.getBoundingClientRect(), style = f.ownerDocument.defaultView.getComputedStyle(f);
    return [r.left + f.clientLeft + parseFloat(style.paddingLeft), r.top + f.clientTop + parseFloat(style.paddingTop)];
  };
  const offset = (e) => {
    if (flat || (!window.length && window === top)) return [0, 0];
    let x = 0, y = 0;
    for (let f = frameOf(e); f; f = frameOf(f)) {
      const [left, top] = corner(f);
      x += left;
      y += top;
    }
    return [x, y];
  };
  const box = (e, known) => {
    const r = known || e.getBoundingClientRect();
    const [x, y] = offset(e);
    return [r.left + x, r.top + y, r.width, r.height];
  };
  const elementAt = (x, y) => {
    let e = document.elementFromPoint(x, y);
    for (;;) {
      const root = e && shadowOf(e), frame = e && frameDocument(e);
      if (frame) {
        const [left, top] = corner(e);
        x -= left;
        y -= top;
      }
      const inner = (root || frame) && (root || frame).elementFromPoint(x, y);
      if (!inner || inner === e) return e;
      e = inner;
    }
  };
  // An event that comes out of a closed shadow root tells only its host.
  const innermost = (e, x, y) => {
    for (let root = closed.get(e); root; root = closed.get(e)) {
      const inner = root.elementFromPoint(x, y);
      if (!inner || inner === e) break;
      e = inner;
    }
    return e;
  };
  // Elements that may have a closed shadow root, which nobody looked into yet: parts of the page with a
  // size and nothing in them that is shown. `wanted`: something was not found, so look closely.
  const HOSTS = /^(article|aside|blockquote|body|div|footer|h[1-6]|header|main|nav|p|section|span)$/;
  const opaque = (e) => {
    if (e.firstElementChild ? e.firstElementChild.getClientRects().length : e.textContent.trim()) return false;
    const r = e.getBoundingClientRect();
    return r.width >= 4 && r.height >= 4;
  };
  T.suspected = [];
  let lookedAt = -1000;
  T.suspects = (wanted, known) => {
    const now = performance.now();
    if (wanted && now - lookedAt < 250) return 0;
    if (wanted) lookedAt = now;
    const found = [], names = new Set();
    for (const r of known || roots(document)) for (const e of r.querySelectorAll('*')) {
      const name = e.localName, own = name.includes('-');
      if ((!own && !(wanted && HOSTS.test(name))) || e.shadowRoot || checked.has(e)) continue;
      const sure = closedNames.has(name);
      if (!sure && !(own && wanted && !clearNames.has(name) && !names.has(name)) && !opaque(e)) continue;
      names.add(name);
      found.push(e);
      if (found.length >= 100) break;
    }
    for (const e of found) {
      checked.add(e);
      if (wanted) clearNames.add(e.localName);
    }
    T.suspected = found;
    return found.length;
  };
  const labelsOf = (e) => [...(e.labels || [])];
  const hits = (e, at) => holds(e, at) || labelsOf(e).some((l) => holds(l, at)) ||
    (at && e.localName === 'label' && e.control === at);
  // Points of the element, the likeliest first.
  const points = function* (e) {
    const [dx, dy] = offset(e);
    const rects = [...e.getClientRects()].filter((r) => r.width >= 1 && r.height >= 1);
    if (!rects.length) for (const c of e.children) rects.push(...c.getClientRects());
    const at = (r, fx, fy) => [r.left + dx + r.width * fx, r.top + dy + r.height * fy];
    for (const r of rects) yield at(r, 0.5, 0.5);
    for (const r of rects.slice(0, 3))
      for (const fy of [0.5, 0.15, 0.85, 0.3, 0.7])
        for (const fx of [0.15, 0.85, 0.3, 0.7, 0.5]) yield at(r, fx, fy);
  };
  const inView = ([x, y]) => x >= 0 && y >= 0 && x < innerWidth && y < innerHeight;
  // A part of `e` that does something of its own, where a press there would mean that part (names.js).
  const partAt = (e, at, own) => (own && T.partAt && e !== at ? T.partAt(e, at) : null);
  // A point of the element that the mouse would really hit, or what covers it.
  const hitPoint = (e, own) => {
    let cover = null;
    for (const p of points(e)) {
      if (!inView(p)) continue;
      const at = elementAt(p[0], p[1]), hit = at && hits(e, at), part = hit && partAt(e, at, own);
      if (hit && !part) return { at: p };
      cover = cover || part || at;
    }
    return { cover };
  };

  // --- What an element is called in messages. ---
  const clip = (s, n) => (s.length > n ? s.slice(0, n - 1) + '…' : s);
  const FIELDS = /^(input|textarea|select)$/, BUTTONS = /^(submit|button|reset)$/;
  const describe = (e) => {
    if (!e) return 'nothing';
    const kind = T.role ? T.role(e) : '';
    const name = T.name ? T.name(e)
      : clean(e.getAttribute('aria-label') || (!FIELDS.test(e.localName) ? e.innerText : (BUTTONS.test(e.type) && e.value) || e.getAttribute('placeholder')));
    const id = e.id ? '#' + e.id : e.classList && e.classList[0] ? '.' + e.classList[0] : '';
    const shown = kind && kind !== 'generic' && kind !== 'text' ? kind : '<' + e.localName + id + '>';
    return name ? shown + ' "' + clip(name, 60) + '"' : kind && id ? shown + ' ' + id : shown;
  };
  const candidate = (e) => {
    const b = box(e);
    return describe(e) + ' at ' + Math.round(b[0]) + ',' + Math.round(b[1]);
  };

  // --- Queries. ---
  const textOf = (e) => {
    if (e.localName === 'input' && BUTTONS.test(e.type)) return e.value;
    return e.innerText === undefined ? e.textContent : e.innerText;
  };
  const skip = /^(script|style|noscript|template|head|title|meta|link)$/;
  const everything = (start) => {
    const all = [];
    for (const r of roots(start)) for (const e of r.querySelectorAll('*')) if (!skip.test(e.localName)) all.push(e);
    return all;
  };
  const byText = (all, want, exact) => {
    const some = new Set(all.filter((e) => fits(e.textContent, want, false) || e.localName === 'input' || shadowOf(e)));
    const found = [...some].filter((e) => fits(textOf(e), want, exact));
    return found.filter((e) => ![...e.children].some((c) => some.has(c) && fits(textOf(c), want, exact)));
  };
  const TEST_IDS = ['data-testid', 'data-test-id', 'data-test', 'data-qa'];
  const byTestId = (all, id) => all.filter((e) => TEST_IDS.some((a) => e.getAttribute(a) === id));
  const xpath = (start, path) => {
    const out = [], doc = start.nodeType === 9 ? start : start.ownerDocument;
    const result = doc.evaluate(path, start, null, 7, null);
    for (let i = 0; i < result.snapshotLength; i++) {
      const n = result.snapshotItem(i);
      out.push(n.nodeType === 1 ? n : n.parentElement || n.ownerElement);
    }
    return out.filter(Boolean);
  };
  // While nothing can change: whether the page has no shadow roots and frames to look into, and what was worked out.
  T.atOnce = (work) => {
    flat = roots(document).length === 1 && !frameOf(document.body);
    T.kept = new Map();
    try { return work(); } finally { flat = false; T.kept = null; }
  };
  const css = (start, selector) => flat ? [...start.querySelectorAll(selector)] : roots(start).flatMap((r) => [...r.querySelectorAll(selector)]);
  // Keeps the elements whose text equals the wanted one when there are some: an equal name beats one
  // that only contains the words.
  const sharpen = (list, get, want) => {
    const equal = list.filter((e) => fold(get(e)) === fold(want));
    return equal.length ? equal : list;
  };
  const semantic = (start, q) => {
    if (q.role || q.label !== undefined || q.name !== undefined) T.want('names');
    let list = everything(start);
    if (q.role) list = list.filter((e) => T.hasRole(e, q.role));
    if (q.testId) list = byTestId(list, q.testId);
    if (q.placeholder !== undefined) {
      const get = (e) => e.getAttribute('placeholder') || '';
      list = sharpen(list.filter((e) => get(e) && fits(get(e), q.placeholder, q.exact)), get, q.placeholder);
    }
    if (q.label !== undefined) {
      const get = (e) => T.label(e);
      list = sharpen(list.filter((e) => T.isField(e) && fits(get(e), q.label, q.exact)), get, q.label);
    }
    if (q.name !== undefined) {
      if (!q.role) list = list.filter((e) => T.interactive(e) || T.role(e) === 'heading');
      list = sharpen(list.filter((e) => fits(T.name(e), q.name, q.exact)), T.name, q.name);
    }
    if (q.text !== undefined) list = sharpen(byText(list, q.text, q.exact), textOf, q.text);
    return list;
  };
  const one = (start, q) => {
    if (q.ref !== undefined) return T.refs[q.ref] ? [T.refs[q.ref]] : [];
    if (q.chain) {
      let list = [start];
      for (const part of q.chain) list = [...new Set(list.flatMap((s) => one(s, part)))];
      return list;
    }
    if (q.css !== undefined) return css(start, q.css);
    if (q.xpath !== undefined) return xpath(start, q.xpath);
    return semantic(start, q);
  };
  const isPlain = (q) => q.css !== undefined && !q.within && !q.filter;
  // All elements of a query in document order, before `nth`.
  T.all = (q, start) => {
    if (isPlain(q)) return css(start || document, q.css);
    let from = [start || document];
    if (q.within) from = T.all(q.within, start);
    let list = [...new Set(from.flatMap((s) => one(s, q)))];
    if (q.filter) list = list.filter((e) => semanticFits(e, q.filter));
    return list;
  };
  // A css or xpath target may also be narrowed by role, name, text, …: each must hold of the element.
  const semanticFits = (e, f) =>
    (!(f.role || f.name !== undefined || f.label !== undefined) || T.want('names')) && (!f.role || T.hasRole(e, f.role)) && (f.name === undefined || fits(T.name(e), f.name, f.exact)) &&
    (f.text === undefined || fits(textOf(e), f.text, f.exact)) &&
    (f.label === undefined || fits(T.label(e), f.label, f.exact)) &&
    (f.placeholder === undefined || fits(e.getAttribute('placeholder'), f.placeholder, f.exact)) &&
    (!f.testId || TEST_IDS.some((a) => e.getAttribute(a) === f.testId));
  // The element meant, or why there is none.
  T.pick = (q, wantHidden) => {
    if (isPlain(q) && !q.nth && !q.strict && !wantHidden) {
      // Elements of shadow roots and frames come after those of the document: no need to look for them.
      const list = [...document.querySelectorAll(q.css)], e = list.find((c) => visible(c) || proxy(c));
      if (e) return { e, count: list.length };
    }
    const all = T.all(q);
    if (q.ref !== undefined && !(all[0] && all[0].isConnected)) return { why: 'gone', count: 0, final: true };
    if (!all.length) return { why: 'none', count: 0 };
    const pool = wantHidden ? all : all.filter((e) => visible(e) || proxy(e));
    if (!pool.length) return { why: 'hidden', count: all.length, some: [describe(all[0])] };
    if (q.nth) {
      const e = pool[q.nth > 0 ? q.nth - 1 : pool.length + q.nth];
      return e ? { e, count: pool.length } : { why: 'few', count: pool.length };
    }
    if (q.strict) {
      const outer = pool.filter((e) => !pool.some((o) => o !== e && holds(o, e)));
      if (outer.length > 1) return { why: 'many', count: outer.length, some: outer.slice(0, 8).map(candidate) };
      return { e: pool.length > 1 && T.want('names') ? pool.find((e) => T.interactive(e)) || outer[0] : pool[0], count: 1 };
    }
    return { e: pool[0], count: pool.length };
  };
  // Styled check boxes hide the real input: people click its label.
  const proxy = (e) => {
    if (e.localName !== 'input' || !/^(checkbox|radio|file)$/.test(e.type)) return null;
    return labelsOf(e).find((l) => visible(l)) || null;
  };

  // --- Waiting. ---
  const frame = () => new Promise((done) => {
    // Without frames (hidden or throttled pages) the timer goes on.
    const timer = setTimeout(done, 60);
    requestAnimationFrame(() => { clearTimeout(timer); done(); });
  });
  const nextChange = (ms) => new Promise((done) => {
    const observer = new MutationObserver(() => finish());
    const timer = setTimeout(() => finish(), ms);
    const finish = () => { observer.disconnect(); clearTimeout(timer); done(); };
    observer.observe(document, { childList: true, subtree: true, attributes: true, characterData: true });
  });
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  // The next call waits here although frames of other origins could hold what it looks for.
  T.alone = () => { T.stay = true; return T; };
  const absent = (a) => a.why === 'none' || a.why === 'region' || a.all === 0;
  // Repeats `look` until it answers without `why`, or the time is up; then its last answer. What is
  // not here may be in a frame of another origin: then the caller is told at once, to ask there.
  const until = async (look, ms) => {
    const stay = T.stay;
    let end = 0;
    T.stay = false;
    for (;;) {
      const answer = await look();
      if (!answer.why && answer.all !== 0) return answer;
      end ||= performance.now() + ms;
      if (stay && absent(answer)) { const hidden = T.suspects(true); if (hidden) return { ...answer, closed: hidden }; }
      if (!stay && absent(answer)) {
        const hidden = T.suspects(true);
        if (hidden) return { ...answer, closed: hidden };
        const frames = T.foreign();
        if (frames) return { ...answer, frames };
      }
      const left = end - performance.now();
      if (!answer.why || answer.final || left <= 0) return answer;
      await nextChange(Math.min(left, 100));
      await frame();
    }
  };
  T.quiet = async (ms) => { await nextChange(ms); await frame(); return 1; };

  const disabled = (e) => {
    if (e.matches(':disabled')) return true;
    for (let n = e; n && n.nodeType !== 9; n = parentOf(n))
      if (n.getAttribute && n.getAttribute('aria-disabled')) return n.getAttribute('aria-disabled') === 'true';
    return false;
  };
  const same = (a, b) => a.every((v, i) => Math.abs(v - b[i]) < 0.5);
  const moves = (e) => {
    if (e.getRootNode() === document && !document.getAnimations().length) return false;
    for (let n = e; n && n.nodeType !== 9; n = parentOf(n))
      if (n.getAnimations && n.getAnimations().length) return true;
    return false;
  };
  const BLOCKS = ['center', 'end', 'start', 'nearest'];
  // One look at whether the element can be used now: visible, enabled, still, in view, not covered.
  const usable = async (e, need, round) => {
    const shown = visible(e) ? e : proxy(e);
    if (!shown) return { why: 'hidden', some: [describe(e)] };
    if (need.enabled && disabled(e)) return { why: 'disabled', some: [describe(e)] };
    if (need.editable && (e.readOnly || e.getAttribute('aria-readonly') === 'true'))
      return { why: 'readonly', some: [describe(e)] };
    if (!need.point) return { shown };
    // A guarded press that misses because its target moves is stopped and tried again: only what is
    // seen to move is waited for.
    if (!need.guard || moves(shown)) {
      const before = box(shown);
      await frame();
      if (!same(before, box(shown))) return { why: 'moving', some: [describe(e)] };
    }
    let hit = hitPoint(shown, need.own);
    if (!hit.at) {
      shown.scrollIntoView({ block: BLOCKS[round % 4], inline: 'center', behavior: 'instant' });
      const frameElement = frameOf(shown);
      if (frameElement) frameElement.scrollIntoView({ block: 'center', behavior: 'instant' });
      await frame();
      hit = hitPoint(shown, need.own);
    }
    if (!hit.at && hit.cover) return { why: 'covered', some: [describe(e), describe(hit.cover)] };
    if (!hit.at) return { why: 'offscreen', some: [describe(e)] };
    return { shown, at: hit.at };
  };
  const numbers = new WeakMap();
  const remember = (e) => {
    if (!numbers.has(e)) numbers.set(e, T.refs.push(e) - 1);
    return numbers.get(e);
  };
  T.remember = remember;
  // A list that pops up takes the mouse's first move for the entry that it came up under: a place beside it, to come from.
  const beside = (e, [x]) => {
    const item = e.closest('li,[role=option],[role=menuitem]'), list = item && item.parentElement;
    if (!list || !/^(absolute|fixed)$/.test(getComputedStyle(list).position)) return undefined;
    const [, y, , height] = box(item);
    return [x, y > 4 ? y - 2 : y + height + 2];
  };
  // Waits until the query's element can be used. `need`: {enabled, editable, point, mark, guard, own, text}.
  T.ready = async (q, need, ms) => {
    let rounds = 0, many = 0;
    const answer = await until(async () => {
      const picked = T.pick(q, need.hidden);
      // Several may be there while the page changes: half a second to settle, then it is the answer.
      if (picked.why === 'many') return { ...picked, final: (many = many || performance.now()) < performance.now() - 500 };
      if (picked.why) return picked;
      const state = await usable(picked.e, need, rounds++);
      return state.why ? { ...state, count: picked.count } : { ...state, e: picked.e };
    }, ms);
    if (answer.why) return { why: answer.why, count: answer.count || 0, some: answer.some || [], frames: answer.frames, closed: answer.closed };
    const e = answer.e;
    if (need.mark) T.mark(e, need.guard && answer.shown, need.own, need.text && FIELDS.test(e.localName) && valueOf(e) !== need.text);
    const out = { ref: remember(e), what: describe(e), tag: e.localName, type: e.type || '' };
    if (answer.at) {
      [out.x, out.y] = answer.at;
      if (need.guard) out.from = beside(e, answer.at);
      if (marked) marked.popup = out.from;
    }
    return out;
  };

  // Whether the query finds something here: 0 nothing, 1 only hidden elements, 2 visible ones.
  T.probe = (q) => {
    const all = T.all(q);
    return { closed: all.length ? 0 : T.suspects(true), fit: !all.length ? 0 : all.some((e) => visible(e) || proxy(e)) ? 2 : 1, some: all.slice(0, 1).map(candidate) };
  };
  // A point in the view of frame `ref`, in coordinates of this world's top view, when the mouse gets
  // into the frame there. Until the next action, presses beside the frame are stopped.
  let dropGuard = () => {};
  T.framePoint = async (ref, x, y) => {
    dropGuard();
    const e = T.refs[ref];
    if (!e || !e.isConnected) return { why: 'gone', count: 0, some: [] };
    if (!visible(e)) return { why: 'hidden', count: 1, some: [describe(e)] };
    const at = () => {
      const [left, top] = corner(e), [dx, dy] = offset(e);
      return [left + dx + x, top + dy + y];
    };
    if (!inView(at())) {
      e.scrollIntoView({ block: 'center', inline: 'center', behavior: 'instant' });
      const [left, top] = at();
      if (!inView([left, top])) scrollBy({ left: left - innerWidth / 2, top: top - innerHeight / 2, behavior: 'instant' });
      await frame();
    }
    const p = at();
    if (!inView(p)) return { why: 'offscreen', count: 1, some: [describe(e)] };
    const hit = elementAt(p[0], p[1]);
    if (hit !== e) return { why: 'covered', count: 1, some: [describe(e), describe(hit)] };
    const guard = (event) => {
      if (event.isTrusted && event.composedPath()[0] !== e) { event.preventDefault(); event.stopImmediatePropagation(); }
    };
    const timer = setTimeout(() => dropGuard(), 1000);
    for (const name of EVENTS) addEventListener(name, guard, true);
    dropGuard = () => {
      clearTimeout(timer);
      for (const name of EVENTS) removeEventListener(name, guard, true);
      dropGuard = () => {};
    };
    return { x: p[0], y: p[1] };
  };

  // --- What changed. mark() before an action, changes() after it. ---
  let marked = null;
  const valueOf = (e) => {
    if (!e) return '';
    if (e.type === 'checkbox' || e.type === 'radio') return String(e.checked);
    if (e.localName === 'select') return [...e.selectedOptions].map((o) => o.value).join('\n');
    if ('value' in e && e.localName !== 'li' && e.localName !== 'button') return String(e.value);
    return e.isContentEditable ? e.innerText : e.getAttribute('aria-checked') || '';
  };
  const activeElement = () => {
    let a = document.activeElement;
    for (;;) {
      const inner = a && ((shadowOf(a) && shadowOf(a).activeElement) || (frameDocument(a) || {}).activeElement);
      if (!inner) return a;
      a = inner;
    }
  };
  T.active = activeElement;
  T.valueOf = valueOf;
  const EVENTS = ['pointerdown', 'mousedown', 'pointerup', 'mouseup', 'click', 'auxclick', 'dblclick', 'contextmenu'];
  // `certain`: the value will change, and nothing else is told then.
  T.mark = (e, guarded, own, certain) => {
    if (marked) T.changes();
    T.snapped = false;
    dropGuard();
    const m = (marked = { url: location.href, e, value: valueOf(e), focus: activeElement(), dom: 0, off: [] });
    if (!certain) {
      m.observer = new MutationObserver((list) => (m.dom += list.length));
      const watch = { childList: true, subtree: true, attributes: true, characterData: true }, root = e && e.getRootNode();
      m.observer.observe(document, watch);
      if (root && root !== document) m.observer.observe(root, watch);
    }
    if (globalThis.navigation) {
      const started = (event) => {
        if (!event.destination.sameDocument) m.leaving = event.destination.url;
        if (event.downloadRequest !== null) { m.download = true; m.leaving = ''; }
      };
      navigation.addEventListener('navigate', started);
      m.off.push(() => navigation.removeEventListener('navigate', started));
    }
    // Sent synchronously when a form is about to be submitted, which itself happens in a later task.
    const submits = () => (m.submits = true);
    addEventListener('formdata', submits, true);
    m.off.push(() => removeEventListener('formdata', submits, true));
    if (!guarded) return;
    // Watches where the mouse really lands: a press on anything else than the target is stopped.
    const guard = (event) => {
      if (!event.isTrusted) return;
      const at = innermost(event.composedPath()[0], event.clientX, event.clientY), on = hits(guarded, at);
      if (m.observer) m.dom += m.observer.takeRecords().length;
      if (m.hit === undefined) {
        const part = on && partAt(guarded, at, own);
        m.hit = on && !part;
        m.pressed = m.dom;
        if (!m.hit) m.instead = describe(part || at);
      } else if (m.hit && !on && event.type === 'click' && !m.clicked && m.dom === m.pressed) {
        // The page did nothing at the press, yet something else came under the mouse before it was let go.
        m.hit = false;
        m.instead = describe(at);
      }
      m.clicked = m.clicked || event.type === 'click';  // a label makes a second one, on its field
      if (!m.hit) { event.preventDefault(); event.stopImmediatePropagation(); }
    };
    for (const view of new Set([window, guarded.ownerDocument.defaultView]))
      for (const name of EVENTS) {
        view.addEventListener(name, guard, true);
        m.off.push(() => view.removeEventListener(name, guard, true));
      }
  };
  T.changes = () => {
    const m = marked;
    if (!m) return {};
    marked = null;
    if (m.observer) {
      m.dom += m.observer.takeRecords().length;
      m.observer.disconnect();
    }
    m.off.forEach((f) => f());
    const out = { url: location.href !== m.url, dom: m.dom, value: valueOf(m.e) !== m.value, focus: activeElement() !== m.focus };
    if (m.leaving && m.leaving !== location.href) out.leaving = m.leaving;
    if (m.download) out.download = true;
    if (m.hit !== undefined) out.hit = m.hit;
    if (m.instead) out.instead = m.instead;
    return out;
  };
  T.pageBox = (ref) => {
    const e = T.refs[ref];
    if (!e || !e.isConnected) return null;
    const [x, y, width, height] = box(e);
    return { x: x + scrollX, y: y + scrollY, width: Math.max(width, 1), height: Math.max(height, 1) };
  };
  T.download = (url) => {
    const a = document.createElement('a');
    a.href = url;
    a.download = '';
    document.documentElement.append(a);
    a.click();
    a.remove();
    return a.href;
  };
  // After an event: lets tasks that it queued (a form's submission, a list that gives the focus back) start, then tells.
  T.settled = async () => {
    const m = marked;
    if (m && m.observer) m.dom += m.observer.takeRecords().length;
    if (!m || m.submits || m.popup || !m.dom) await pause(0);
    return T.changes();
  };
  Object.assign(T, { roots, parentOf, holds, clean, fold, fits, visible, box, describe, candidate, clip, textOf,
    shadowOf, frame, pause, until, disabled, labelsOf, everything, hits, inView, skip, frameDocument, TEST_IDS });
})();
