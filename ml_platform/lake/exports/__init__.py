"""Tables of the lake published for engines that read other formats."""
