"""The only room where search, distillation, export and report meet."""
