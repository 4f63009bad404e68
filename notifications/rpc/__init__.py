"""JSON-RPC 2.0 for calling services: the methods of docs/rpc.md, their OpenRPC document and its page."""
