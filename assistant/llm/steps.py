"""The steps of a language model among those of the pipeline."""
