/** @type {import('next').NextConfig} */
export default {
  // This folder, regardless of lock files in parent folders.
  turbopack: { root: import.meta.dirname },
  // Next compresses responses that it forwards, unless they forbid it by `no-transform`.
  compress: true,
  rewrites: async () => [{ source: '/api/events/:path*', destination: `${process.env.HUB}/api/events/:path*` }],
}
