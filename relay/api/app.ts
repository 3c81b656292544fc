/** The built app as static files, with the headers that keep every script but our own out of it. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import express, { type RequestHandler, Router } from 'express';
import helmet from 'helmet';

const WORKER = '/sw.js';

/** `connect`: origins besides its own that the app may talk to, `http(s):` and `ws(s):`. */
export function securityHeaders(connect: readonly string[]): RequestHandler {
  const pages = headersWith(connect, ["'self'"]);
  // The worker alone may compile WebAssembly (the faster curve): still no script but our own, and no `eval`.
  const worker = headersWith(connect, ["'self'", "'wasm-unsafe-eval'"]);
  return (request, response, next) => {
    // The camera reads QR codes; nothing else is wanted.
    response.set('Permissions-Policy', 'camera=(self), geolocation=(), microphone=(), payment=(), usb=()');
    (request.path === WORKER ? worker : pages)(request, response, next);
  };
}

function headersWith(connect: readonly string[], script: readonly string[]): ReturnType<typeof helmet> {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        'default-src': ["'none'"],
        'script-src': [...script],
        'style-src': ["'self'"],
        'img-src': ["'self'", 'data:'],
        'font-src': ["'self'"],
        'connect-src': ["'self'", ...connect],
        'manifest-src': ["'self'"],
        'worker-src': ["'self'"],
        'base-uri': ["'none'"],
        'form-action': ["'none'"],
        'frame-ancestors': ["'none'"],
        'require-trusted-types-for': ["'script'"],
        'trusted-types': ['svelte-trusted-html', 'beckon'],
      },
    },
    crossOriginOpenerPolicy: { policy: 'same-origin' },
    crossOriginResourcePolicy: { policy: 'same-origin' },
    referrerPolicy: { policy: 'no-referrer' },
    xFrameOptions: { action: 'deny' },
  });
}

/** Vite puts a hash of the content into the names under `assets/`; everything else is asked for anew each time. */
export function appFiles(folder: string): Router {
  const root = resolve(folder);
  const router = Router();
  router.use(
    express.static(root, {
      index: 'index.html',
      redirect: false,
      setHeaders: (response, path) => {
        const hashed = path.startsWith(join(root, 'assets'));
        response.setHeader('Cache-Control', hashed ? 'public, max-age=31536000, immutable' : 'no-cache');
      },
    }),
  );
  // Every other page address is the app's own; a missing file is not.
  router.get('/*path', (request, response, next) => {
    if (/\.[a-z0-9]+$/i.test(request.path) || !existsSync(join(root, 'index.html'))) return next();
    response.set('Cache-Control', 'no-cache').sendFile(join(root, 'index.html'));
  });
  router.use((_request, response) => {
    response.status(404).type('text/plain').send('Not found. If this is the first start: the app is built with "npm run build".\n');
  });
  return router;
}
