"""The whole cloud in one process under a seed and a fake clock: crashes, late answers, lost doorbells, and what must hold."""
