"""Projects that show the platform at work: ordinary dg projects on real data; nothing of them is in the wheel."""
