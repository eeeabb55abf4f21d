"""Two virtual CPU devices, for the tests of sharding; no silent promotion of dtypes."""

import jax

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_dtype_promotion", "strict")
