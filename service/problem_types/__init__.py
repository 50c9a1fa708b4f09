"""Which problem document answers each refusal: one table a package, in Chinese and English."""
