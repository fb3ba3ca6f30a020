// Debian's Chromium, headless, that talks to nobody but us.
import { chromium } from 'playwright-core';

/** Starts one. */
export const launch = () =>
  chromium.launch({
    // As people have it, it keeps pages for the way back.
    ignoreDefaultArgs: ['--disable-back-forward-cache'],
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--host-resolver-rules=MAP service.test 127.0.0.1', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
