"""What is known of an account outside its lane: the query book on the log, stops, holders, vendor history."""
