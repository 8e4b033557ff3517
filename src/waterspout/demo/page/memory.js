// What this browser remembers: the name and the colours for good, the seat in the chat as long as the tab lives.

function storage(kind) {
  return {
    get(key) {
      try { return JSON.parse(window[kind].getItem(`waterspout.${key}`)); } catch { return null; }
    },
    set(key, value) {
      try { window[kind].setItem(`waterspout.${key}`, JSON.stringify(value)); } catch { /* not allowed: not kept */ }
    },
  };
}

export const browser = storage("localStorage");
export const tab = storage("sessionStorage");
