/** @type {import('next').NextConfig} */
export default {
  // This folder, whatever lock files lie above it.
  turbopack: { root: import.meta.dirname },
  // Next compresses what it passes on, unless it is told not to transform it.
  compress: true,
  rewrites: async () => [{ source: '/api/events/:path*', destination: `${process.env.HUB}/api/events/:path*` }],
}
