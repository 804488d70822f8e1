"""Functions of numpy arrays as operations of jitted programs on a CPU, through XLA's foreign function interface.

A program with a `jax.pure_callback` in it is compiled anew in every process. Here it names a target, as programs that
call C functions do, so that the compilation cache can keep it. The structures are those of XLA's C header
xla/ffi/api/c_api.h (API version 0), as far as they are read.
"""

import ctypes
import logging
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

FLOAT32 = 11
METADATA = 1
INTERNAL_ERROR = 13


class _Version(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("extension", ctypes.c_void_p),
        ("major", ctypes.c_int),
        ("minor", ctypes.c_int),
    ]


class _ErrorArguments(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("extension", ctypes.c_void_p),
        ("message", ctypes.c_char_p),
        ("code", ctypes.c_int),
    ]


class _Api(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("extension", ctypes.c_void_p),
        ("version", _Version),
        ("internal", ctypes.c_void_p),
        ("create_error", ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(_ErrorArguments))),
    ]


class _Buffer(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("extension", ctypes.c_void_p),
        ("dtype", ctypes.c_int),
        ("data", ctypes.c_void_p),
        ("rank", ctypes.c_int64),
        ("dims", ctypes.POINTER(ctypes.c_int64)),
    ]


class _Buffers(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("extension", ctypes.c_void_p),
        ("size", ctypes.c_int64),
        ("types", ctypes.c_void_p),
        ("buffers", ctypes.POINTER(ctypes.POINTER(_Buffer))),
    ]


class _Metadata(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("version", _Version)]


class _Extension(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("type", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("metadata", ctypes.POINTER(_Metadata)),
    ]


class _Frame(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("extension", ctypes.POINTER(_Extension)),
        ("api", ctypes.POINTER(_Api)),
        ("context", ctypes.c_void_p),
        ("stage", ctypes.c_int),
        ("arguments", _Buffers),
        ("results", _Buffers),
    ]


_Handler = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(_Frame))


class HostCall:
    """A function of float32 arrays that jitted programs call, on every platform.

    The arrays that it gets are valid during the call only. An exception ends the program with JaxRuntimeError.
    """

    def __init__(self, name: str, function: Callable[..., Sequence[np.ndarray]]):
        """name: of the target, one for each function of a process; ValueError when it is taken.

        A cached program calls whatever has its target's name: equal names must mean equal functions in all processes.
        """
        if name in _HANDLERS:
            raise ValueError(f"the target {name} exists")
        self._name, self._function = name, function
        _HANDLERS[name] = _Handler(self._handle)
        jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(_HANDLERS[name]), platform="cpu")

    def __call__(self, shapes: Any, *arguments: Any) -> Any:
        """Call the function with arrays in a traced program; shapes: those of the results. More axes under vmap."""
        if jax.default_backend() == "cpu" and jax.device_count() == 1:
            return jax.ffi.ffi_call(self._name, shapes, vmap_method="broadcast_all")(*arguments)
        # A device other than the host has no such target, and several would all call it with everything.
        own = lambda *arrays: tuple(self._function(*map(np.asarray, arrays)))  # noqa: E731
        return jax.pure_callback(own, shapes, *arguments, vmap_method="broadcast_all")

    def _handle(self, pointer: Any) -> int | None:
        """Answer XLA: None when all went well, otherwise the address of an error."""
        frame = pointer.contents
        if frame.extension and frame.extension.contents.type == METADATA:
            frame.extension.contents.metadata.contents.version = frame.api.contents.version
            return None
        try:
            results = self._function(*_arrays(frame.arguments))
            for place, result in zip(_arrays(frame.results), results, strict=True):
                place[...] = result
        except BaseException as error:
            logging.getLogger(__name__).exception("in %s", self._name)
            return _error(frame.api.contents, f"{type(error).__name__}: {error}")
        return None


_HANDLERS: dict[str, Any] = {}
"""By target: XLA keeps their addresses for as long as the process lives."""


def _arrays(buffers: _Buffers) -> list[np.ndarray]:
    """Return views of XLA's memory."""
    return [_array(buffers.buffers[i].contents) for i in range(buffers.size)]


def _array(buffer: _Buffer) -> np.ndarray:
    if buffer.dtype != FLOAT32:
        raise TypeError(f"expected float32, got XLA's type {buffer.dtype}")
    shape = tuple(buffer.dims[: buffer.rank])
    memory = (ctypes.c_float * int(np.prod(shape, dtype=int))).from_address(buffer.data)
    return np.ctypeslib.as_array(memory).reshape(shape)


def _error(api: _Api, message: str) -> int:
    size = ctypes.sizeof(_ErrorArguments)
    return api.create_error(ctypes.byref(_ErrorArguments(size, None, message.encode(), INTERNAL_ERROR)))
