"""``python benchmarks/keras_step.py jax|tensorflow [xla]``: w1's step in Keras 3, compiled.

It needs Keras and its backend and nothing of ganzoo, so it runs in an environment of its own:
``uv pip install keras jax tensorflow-cpu``. One core; prints processor time of a step.
"""

from __future__ import annotations

import os
import statistics
import sys
import time

BACKEND = sys.argv[1] if len(sys.argv) > 1 else "jax"
os.environ["KERAS_BACKEND"] = BACKEND
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1", TF_CPP_MIN_LOG_LEVEL="3")
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import layers as L  # noqa: E402

N = 128
NORM = {"momentum": 0.9, "epsilon": 1e-5}
generator = keras.Sequential(
    [
        keras.Input((100,)),
        L.Dense(12544, use_bias=False),
        L.BatchNormalization(**NORM),
        L.ReLU(),
        L.Reshape((7, 7, 256)),
        L.Conv2DTranspose(128, 5, 1, "same", use_bias=False),
        L.BatchNormalization(**NORM),
        L.ReLU(),
        L.Conv2DTranspose(64, 4, 2, "same", use_bias=False),
        L.BatchNormalization(**NORM),
        L.ReLU(),
        L.Conv2DTranspose(1, 4, 2, "same", use_bias=False, activation="tanh"),
    ]
)
discriminator = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        L.Conv2D(64, 4, 2, "same"),
        L.LeakyReLU(negative_slope=0.2),
        L.Dropout(0.3),
        L.Conv2D(128, 4, 2, "same"),
        L.LeakyReLU(negative_slope=0.2),
        L.Dropout(0.3),
        L.Flatten(),
        L.Dense(1),
    ]
)
adam_g, adam_d = (keras.optimizers.Adam(2e-4, 0.5) for _ in range(2))
adam_g.build(generator.trainable_variables)
adam_d.build(discriminator.trainable_variables)
bce = keras.losses.BinaryCrossentropy(from_logits=True)
one, zero = np.ones((N, 1), "float32"), np.zeros((N, 1), "float32")
real = np.random.rand(N, 28, 28, 1).astype("float32") * 2 - 1


def tensorflow_step():
    """Return a compiled step on TensorFlow."""
    import tensorflow as tf

    @tf.function(jit_compile="xla" in sys.argv)
    def step(images, latent):
        with tf.GradientTape() as tape:
            fake = tf.stop_gradient(generator(latent, training=True))
            loss = bce(one, discriminator(images, training=True))
            loss += bce(zero, discriminator(fake, training=True))
        weights = discriminator.trainable_variables
        adam_d.apply(tape.gradient(loss, weights), weights)
        with tf.GradientTape() as tape:
            other = bce(one, discriminator(generator(latent, training=True), training=True))
        weights = generator.trainable_variables
        adam_g.apply(tape.gradient(other, weights), weights)
        return loss

    images = tf.constant(real)
    return lambda: float(step(images, tf.random.normal((N, 100))))


def jax_step():
    """Return a compiled step on JAX."""
    import jax

    def critic(weights, rest, images):
        return discriminator.stateless_call(weights, rest, images, training=True)

    def loss_d(weights, rest, g, g_rest, images, latent):
        fake, g_rest = generator.stateless_call(g, g_rest, latent, training=True)
        on_real, rest = critic(weights, rest, images)
        on_fake, rest = critic(weights, rest, jax.lax.stop_gradient(fake))
        return bce(one, on_real) + bce(zero, on_fake), (rest, g_rest)

    def loss_g(g, g_rest, weights, rest, latent):
        fake, g_rest = generator.stateless_call(g, g_rest, latent, training=True)
        on_fake, rest = critic(weights, rest, fake)
        return bce(one, on_fake), (g_rest, rest)

    @jax.jit
    def step(state, images, latent):
        g, g_rest, g_adam, d, d_rest, d_adam = state
        slopes = jax.value_and_grad(loss_d, has_aux=True)
        (loss, (d_rest, g_rest)), found = slopes(d, d_rest, g, g_rest, images, latent)
        d, d_adam = adam_d.stateless_apply(d_adam, found, d)
        slopes = jax.value_and_grad(loss_g, has_aux=True)
        (_, (g_rest, d_rest)), found = slopes(g, g_rest, d, d_rest, latent)
        g, g_adam = adam_g.stateless_apply(g_adam, found, g)
        return (g, g_rest, g_adam, d, d_rest, d_adam), loss

    parts = []
    for network, adam in ((generator, adam_g), (discriminator, adam_d)):
        for variables in (network.trainable_variables, network.non_trainable_variables):
            parts.append([variable.value for variable in variables])  # noqa: PERF401
        parts.append([variable.value for variable in adam.variables])
    state = tuple(parts)

    def turn():
        nonlocal state
        state, loss = step(state, real, np.random.randn(N, 100).astype("float32"))
        return float(loss)

    return turn


turn = tensorflow_step() if BACKEND == "tensorflow" else jax_step()
for _ in range(2):
    turn()
times = []
for _ in range(8):
    started = time.process_time()
    turn()
    times.append(time.process_time() - started)
print(
    f"{' '.join(sys.argv[1:])}, keras {keras.__version__}: {1e3 * statistics.median(times):.0f} ms"
)
