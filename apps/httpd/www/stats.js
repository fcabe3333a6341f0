// SPDX-License-Identifier: MIT
// Puts a fresh picture in the place of the old one, while somebody looks. Without it the page is
// whole, and loads itself again.
"use strict";

const period_ms = 2000;
const live = document.getElementById("live");
const button = document.createElement("button");
let isPaused = false;
let failures = 0;

function show() {
    button.textContent = isPaused ? "Go on" : "Pause";
    document.documentElement.classList.toggle("is-old", isPaused || failures > 1);
}

// What the reader has scrolled to in the table stays there, and so does the focus.
function put(fresh) {
    const old = live.querySelector(".scroll");
    const left = old ? old.scrollLeft : 0;
    const hasFocus = old !== null && old === document.activeElement;

    live.innerHTML = fresh;
    const scroll = live.querySelector(".scroll");
    if (scroll) {
        scroll.scrollLeft = left;
        if (hasFocus) {
            scroll.focus({ preventScroll: true });
        }
    }
}

async function refresh() {
    if (!isPaused && !document.hidden) {
        try {
            const answer = await fetch("/stats/live", { cache: "no-store" });
            if (!answer.ok) {
                throw new Error(answer.statusText);
            }
            const fresh = await answer.text();
            if (!isPaused) {
                put(fresh);
            }
            failures = 0;
        } catch {
            failures++;
        }
        show();
    }
    setTimeout(refresh, period_ms);
}

button.addEventListener("click", () => {
    isPaused = !isPaused;
    show();
});
document.querySelector("header").append(button);
show();
setTimeout(refresh, period_ms);
