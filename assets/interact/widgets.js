// Composite widgets: what is closed and can be opened, calendars, sliders without a field, sortable
// lists, selections of text. Needs core, names and input.
(() => {
  const T = globalThis.__troupe;
  if (T.has.widgets) return;
  T.has.widgets = 1;
  const { clean, fold } = T;

  // --- Exploring: tabs, sections, tree nodes, menus that are closed and were not opened yet. ---
  let opened = new WeakSet(), pages = new Set();
  const OPENER = /(^|[-_ ])(hitarea|expander|disclosure|caret|toggle|more|overflow|kebab)([-_ ]|$)/;
  const opener = (e) => {
    const role = T.role(e), expanded = e.getAttribute('aria-expanded');
    if (e.localName === 'summary') return e.parentElement && e.parentElement.open ? '' : 'click';
    if (role === 'tab') return e.getAttribute('aria-selected') === 'true' || expanded === 'true' ? '' : 'click';
    if (role === 'menuitem' && e.getAttribute('aria-haspopup') && e.getAttribute('aria-haspopup') !== 'false') return expanded === 'true' ? '' : 'hover';
    if (expanded) return expanded === 'false' ? 'click' : '';
    const kind = typeof e.className === 'string' ? e.className : '';
    if (/collapsable|expanded|is-open/.test(kind) || !OPENER.test(kind.toLowerCase())) return '';
    // A class may also name the part that is opened: only something small without parts of its own.
    if (e.getBoundingClientRect().height > 60 || clean(e.textContent).length > 40 || e.querySelector('a,button,input,select,textarea,[tabindex]')) return '';
    return e.localName === 'a' && e.href && !/#/.test(e.href) ? '' : 'click';
  };
  T.exploreAgain = () => { opened = new WeakSet(); pages = new Set(); return 1; };
  // The next one to open, at most one; in the region whose text holds `scope` when that is given.
  T.nextClosed = (scope) => {
    // "@ada" is not the "@ada." of another row, where there is an "@ada".
    const want = fold(scope || ''), whole = new RegExp('(^|\\s)' + want.replace(/[.*+?^${}()|[\]\\]/g, '\\$&') + '(\\s|$)');
    const exact = whole.test(fold(document.body.innerText));
    const says = (n) => { const text = fold(n.innerText || ''); return exact ? whole.test(text) : text.includes(want); };
    const like = (n, e) => T.everything(n).some((o) => o.localName === e.localName && o.className === e.className);
    const inScope = (e) => {
      if (!scope) return true;
      for (let n = e.parentElement, from = e, up = 1; n && n.localName !== 'body' && up < 6; from = n, n = n.parentElement, up++) {
        if (!says(n)) continue;
        // It says so of another row, which has such an opener of its own.
        return says(from) || ![...n.children].some((s) => s !== from && says(s) && like(s, e));
      }
      return false;
    };
    for (const e of T.everything(document)) {
      if (opened.has(e)) continue;
      const how = opener(e);
      if (!how || !T.visible(e) || T.disabled(e) || !inScope(e)) continue;
      opened.add(e);
      return { ref: T.remember(e), what: T.describe(e), how };
    }
    return {};
  };

  // --- Lists over several pages. ---
  const NEXT = /^(next( page)?|next ?[\u203a\u00bb>\u2192]|[\u203a\u00bb>\u2192]|older( posts)?|(show|load) more|more results)$/;
  // The control that turns to the next page, unless this page was seen before.
  T.nextPage = () => {
    const text = fold(document.body.innerText).slice(0, 20000);
    if (pages.has(text)) return {};
    pages.add(text);
    const some = T.everything(document).filter((e) => {
      if (!/^(a|button)$/.test(e.localName) && e.getAttribute('role') !== 'button') return false;
      if (e.rel !== 'next' && !NEXT.test(fold(T.name(e) || e.textContent))) return false;
      return T.visible(e) && !T.disabled(e) && !e.closest('.disabled,[aria-disabled=true]');
    });
    return some.length === 1 ? { ref: T.remember(some[0]), what: T.describe(some[0]) } : {};
  };

  // --- What is in the way, and what nobody names. ---
  const PRESSED = (e) => e.localName === 'button' || e.getAttribute('role') === 'button' || (e.localName === 'input' && /^(submit|button)$/.test(e.type));
  const usableButtons = (start) => T.everything(start).filter((e) => PRESSED(e) && T.visible(e) && !T.disabled(e));
  const NO = /^(cancel|close|dismiss|no|no,? thanks|not now|later|maybe later|skip|stay|[\u00d7\u2715\u2716x])$/;
  const asks = (e) => {
    for (let n = e.parentElement; n && n.localName !== 'body'; n = n.parentElement) {
      if (n.querySelector('input:not([type=hidden]):not([type=button]):not([type=submit]),textarea,select')) return false;
      if (n.localName === 'dialog' || /^(alert)?dialog$/.test(n.getAttribute('role') || '')) return true;
      if (/^(fixed|absolute)$/.test(getComputedStyle(n).position)) return true;
    }
    return false;
  };
  // The button that sends a popup away that only asks something: the only one.
  T.wayOut = () => {
    const some = usableButtons(document).filter((e) => NO.test(fold(T.name(e))) && asks(e));
    return some.length === 1 ? { ref: T.remember(some[0]), what: T.describe(some[0]) } : {};
  };
  const BESIDE_LOGIN = /show|hide|reveal|forgot|register|sign up|create|help|cancel|back/;
  // The only button around the only password.
  T.loginButton = () => {
    const secrets = T.everything(document).filter((e) => e.localName === 'input' && e.type === 'password' && T.visible(e));
    if (secrets.length !== 1) return {};
    for (let n = secrets[0].parentElement; n; n = n.parentElement) {
      const some = usableButtons(n).filter((e) => T.name(e) && !BESIDE_LOGIN.test(fold(T.name(e))));
      if (some.length) return some.length === 1 ? { ref: T.remember(some[0]), what: T.describe(some[0]) } : {};
    }
    return {};
  };

  // --- Calendars that pop up. ---
  const MONTHS = ['january', 'february', 'march', 'april', 'may', 'june', 'july', 'august', 'september', 'october', 'november', 'december'];
  const monthIn = (text) => MONTHS.findIndex((m) => new RegExp('(^|[^a-z])' + m.slice(0, 3) + '(' + m.slice(3) + ')?([^a-z]|$)').test(text));
  const daysOf = (grid) => {
    const days = new Map();
    for (const e of T.everything(grid)) {
      if (e.children.length || !/^\d{1,2}$/.test(clean(e.textContent)) || !T.visible(e)) continue;
      const cell = e.closest('td,[role=gridcell]') || e;
      const muted = /(^|[-_ ])(other|outside|muted|disabled|old|new|prev|next|unselectable)([-_ ]|$)/.test(cell.className + ' ' + e.className);
      if (!muted && !T.disabled(e)) days.set(+clean(e.textContent), T.remember(e));
    }
    return days;
  };
  // {year, month 0-11, days: {n: ref}, previous, next}, of the calendar that is open; {} when none is.
  T.calendar = () => {
    for (const grid of T.everything(document)) {
      if (!(grid.localName === 'table' || grid.getAttribute('role') === 'grid') || !T.visible(grid)) continue;
      const days = daysOf(grid);
      if (days.size < 28 - 24 || ![...days.keys()].some((d) => d > 3)) continue;
      for (let box = grid, up = 0; box && up < 4 && box.localName !== 'body'; box = box.parentElement, up++) {
        const chosen = [...box.querySelectorAll('select')].filter((s) => T.visible(s)).map((s) => s.selectedOptions[0] && s.selectedOptions[0].text);
        const text = fold((up ? box.innerText : grid.caption ? grid.caption.innerText : '') + ' ' + chosen.join(' '));
        const month = monthIn(text), year = /(^|\D)((?:19|20)\d\d)(\D|$)/.exec(text);
        if (month < 0 || !year) continue;
        // Turning buttons are often plain links without a place to go.
        const side = (words) => T.everything(box).find((e) => T.visible(e) && !/\d/.test(e.textContent) && words.test(fold(T.name(e) + ' ' + e.title + ' ' + e.className)));
        const previous = side(/(^|[^a-z])(prev|previous|earlier)/) || side(/^[‹«<◀]/), next = side(/(^|[^a-z])(next|later)/) || side(/^[›»>▶]/);
        return { year: +year[2], month, days: Object.fromEntries(days), previous: previous ? T.remember(previous) : -1, next: next ? T.remember(next) : -1 };
      }
    }
    return {};
  };

  // --- Sliders made of other elements: numbers shown near tell the value. ---
  T.sliderState = (ref) => {
    const e = T.refs[ref], now = e.getAttribute('aria-valuenow');
    if (e.localName === 'input') return { numbers: [+e.value] };
    if (now !== null && now !== '') return { numbers: [+now] };
    const numbers = [];
    for (let n = e.parentElement, up = 0; n && up < 3 && n.localName !== 'body'; n = n.parentElement, up++)
      for (const c of [...T.everything(n), ...(n.nextElementSibling ? [n.nextElementSibling] : [])]) {
        const text = c.localName === 'input' ? c.value : c.children.length ? '' : clean(c.textContent);
        if (/^-?\d+(\.\d+)?\s*%?$/.test(text)) numbers.push(parseFloat(text));
      }
    return { numbers };
  };
  T.vertical = (ref) => {
    const track = T.refs[ref].parentElement, b = track && T.box(track);
    return !!b && b[3] > b[2];
  };

  // --- Texts. ---
  const textOf = (e) => (/^(input|textarea|select)$/.test(e.localName) ? T.valueOf(e) : e.innerText || e.textContent || '');
  // The text of an element, or its word number `word` (-1: the last), without the punctuation around.
  T.readText = (ref, word) => {
    const text = textOf(T.refs[ref]);
    if (!word) return text;
    const words = text.split(/\s+/).filter(Boolean), one = words[word > 0 ? word - 1 : words.length + word];
    return one === undefined ? null : one.replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, '');
  };
  T.highlight = async (ref) => {
    const e = T.refs[ref];
    if (!e || !e.isConnected) return { why: 'gone' };
    e.scrollIntoView({ block: 'nearest', behavior: 'instant' });
    if (/^(input|textarea)$/.test(e.localName)) { e.focus(); e.select(); return { text: T.valueOf(e) }; }
    const selection = e.ownerDocument.getSelection();
    selection.selectAllChildren(e);
    await T.frame();
    return { text: String(selection) };
  };
  // What stands beside a label: a cell of its row, a definition, the text after the colon.
  T.valueBeside = (label) => {
    const found = new Set(), want = fold(label).replace(/:$/, '');
    const add = (e) => { if (e && T.visible(e) && clean(textOf(e))) found.add(clean(textOf(e))); };
    for (const e of T.everything(document)) {
      if (e.children.length > 1 || !T.visible(e) || fold(e.textContent).replace(/:$/, '') !== want) continue;
      if (e.localName === 'label' && e.control) continue;
      if (/^(td|th|dt)$/.test(e.localName) || (e.parentElement && e.parentElement.children.length === 2)) add(e.nextElementSibling);
    }
    return [...found];
  };

  // --- Where a dragged part of a list has to be dropped. ---
  // `how`: up, down, left, right, top, bottom, position, or two words such as "top left".
  const alike = (e) => {
    for (let n = e, up = 0; n.parentElement && up < 3; n = n.parentElement, up++) {
      const kin = [...n.parentElement.children].filter((s) => s.localName === n.localName && T.visible(s));
      if (kin.length > 1) return { item: n, kin };
    }
    return null;
  };
  T.dropPlace = (ref, how, count) => {
    const list = alike(T.refs[ref]);
    if (!list) return {};
    const { item, kin } = list, boxes = kin.map((k) => T.box(k)), at = kin.indexOf(item);
    const columns = boxes.filter((b) => Math.abs(b[1] - boxes[0][1]) < b[3] / 2).length, rows = Math.ceil(kin.length / columns);
    const wide = columns > 1 && rows > 1;
    const row = Math.floor(at / columns), column = at % columns;
    let to = -1;
    if (how === 'position') to = count > 0 ? count - 1 : kin.length + count;
    else if (how === 'up') to = at - count * (wide ? columns : 1);
    else if (how === 'down') to = at + count * (wide ? columns : 1);
    else if (how === 'left' && columns > 1) to = column >= count ? at - count : -1;
    else if (how === 'right' && columns > 1) to = column + count < columns ? at + count : -1;
    else if (!wide && how === 'top') to = 0;
    else if (!wide && how === 'bottom') to = kin.length - 1;
    else if (wide) {
      const r = /top/.test(how) ? 0 : /bottom/.test(how) ? rows - 1 : Math.floor(rows / 2);
      const c = /left/.test(how) ? 0 : /right/.test(how) ? columns - 1 : Math.floor(columns / 2);
      to = r * columns + c;
    }
    if (to < 0 || to >= kin.length || to === at) return { same: to === at };
    const [x, y, w, h] = boxes[to], own = T.box(item);
    // Past the middle of the place, seen from where it comes.
    const shift = (from, length) => (from < -1 ? 0.4 * length : from > 1 ? -0.4 * length : 0);
    const down = y - own[1], right = x - own[0];
    const dx = columns > 1 ? -shift(right, w) * 0.2 : 0, dy = -shift(down, h) * (wide ? 0.2 : 0.5);
    return { x: x + w / 2 + dx, y: y + h / 2 + dy, from: at, to, item: T.remember(item) };
  };
  T.placeInList = (ref) => {
    const e = T.refs[ref];
    return e && e.parentElement ? [...e.parentElement.children].filter((s) => s.localName === e.localName && T.visible(s)).indexOf(e) : -1;
  };
  T.native = (ref) => {
    for (let n = T.refs[ref]; n && n.nodeType === 1; n = T.parentOf(n)) if (n.draggable && n.localName !== 'img' && n.localName !== 'a') return true;
    return false;
  };
  T.center = (ref) => {
    const e = T.refs[ref];
    if (!e || !e.isConnected) return { why: 'gone' };
    const [x, y, w, h] = T.box(e);
    return { x: x + w / 2, y: y + h / 2, w, h };
  };
})();
