"""Which detections of different views are of one person, learned from the recording itself."""
