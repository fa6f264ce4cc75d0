"""What every service needs and none of them owns: deciders, bytes, time, errors, life cycle."""
