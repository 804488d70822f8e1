"""Soft silhouettes and soft boxes of cuboids and the hand."""
