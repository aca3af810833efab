"""matrix_units_test.py KERNELS: the multiplication of each matrix unit, by the vendor's own compiler or names: clang 19
makes machine code for AMD's and PTX for NVIDIA's, which has to have the instruction. Intel's compiler is not at hand; calls
are checked against the declarations of Khronos' pages on cl_intel_subgroup_matrix_multiply_accumulate and …_tf32."""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from checks import check, finish

CLANG = "clang-19"
AMD, NVIDIA, INTEL = "amdgcn-amd-amdhsa", "nvptx64-nvidia-nvcl", "spir64"
TF32, BF16, F16 = 1, 2, 3
MMA = "mma.sync.aligned.{}.row.col.f32.{}.{}.f32"
MAD = "_Z{}intel_sub_group_{}_{}_matrix_mad_{}"
# MATRIX_UNIT, MATRIX_FORMAT, what it is compiled for, and what has to be in the result
UNITS = [
    (1, TF32, NVIDIA, "sm_80", MMA.format("m16n8k8", "tf32", "tf32")),
    (1, BF16, NVIDIA, "sm_80", MMA.format("m16n8k16", "bf16", "bf16")),
    (1, F16, NVIDIA, "sm_80", MMA.format("m16n8k16", "f16", "f16")),
    (2, BF16, AMD, "gfx1100", "v_wmma_f32_16x16x16_bf16"),
    (2, F16, AMD, "gfx1100", "v_wmma_f32_16x16x16_f16"),
    (3, BF16, AMD, "gfx1201", "v_wmma_f32_16x16x16_bf16"),
    (3, F16, AMD, "gfx1201", "v_wmma_f32_16x16x16_f16"),
    (4, TF32, AMD, "gfx90a", "v_mfma_f32_16x16x4f32"),
    (4, TF32, AMD, "gfx942", "v_mfma_f32_16x16x8_xf32"),
    (4, BF16, AMD, "gfx90a", "v_mfma_f32_16x16x16bf16_1k"),
    (4, F16, AMD, "gfx90a", "v_mfma_f32_16x16x16f16"),
    (5, BF16, INTEL, None, MAD.format(40, "bf16", "bf16", "k16") + "Dv8_iS_Dv8_f"),
    (5, F16, INTEL, None, MAD.format(38, "f16", "f16", "k16") + "Dv8_iS_Dv8_f"),
    (6, TF32, INTEL, None, MAD.format(39, "tf32", "tf32", "k8") + "Dv4_fDv8_fS0_"),
    (6, BF16, INTEL, None, MAD.format(40, "bf16", "bf16", "k16") + "Dv8_sDv8_iDv8_f"),
    (6, F16, INTEL, None, MAD.format(38, "f16", "f16", "k16") + "Dv8_sDv8_iDv8_f"),
]
DECLARATIONS = "\n".join(f"float8 __attribute__((overloadable)) {name}({a} a, {b} b, float8 acc);" for name, a, b in [
    ("intel_sub_group_bf16_bf16_matrix_mad_k16", "int8", "int8"),
    ("intel_sub_group_f16_f16_matrix_mad_k16", "int8", "int8"),
    ("intel_sub_group_bf16_bf16_matrix_mad_k16", "short8", "int8"),
    ("intel_sub_group_f16_f16_matrix_mad_k16", "short8", "int8"),
    ("intel_sub_group_tf32_tf32_matrix_mad_k8", "float4", "float8"),
])
KERNEL = """
#include "opencl.clh"
#include "matrix.clh"
MATRIX_SUB_GROUPS kernel void multiply(global float *out, local matrix_element *a, local matrix_element *b, local float *c)
{
    int lane = get_local_id(0);
    matrix_a fa;
    matrix_b fb;
    matrix_c fc;
    matrix_fill(&fc, 0.0f);
    matrix_load_a(&fa, a, 16, lane);
    matrix_load_b(&fb, b, 16, lane);
    matrix_multiply_add(&fc, &fa, &fb, lane, 0);
    matrix_store(&fc, c, 16, lane);
    out[lane] = c[lane];
}
"""


def compile_unit(unit, number, triple, cpu, kernels, source):
    target = ["-Xclang", "-target-cpu", "-Xclang", cpu] if cpu else ["-emit-llvm"]
    return subprocess.run(
        [CLANG, "-x", "cl", "-cl-std=CL1.2", "-target", triple, *target, "-nogpulib", "-O2", "-Xclang",
         "-finclude-default-header", f"-DMATRIX_UNIT={unit}", f"-DMATRIX_FORMAT={number}", "-I", kernels, "-S", "-o", "-",
         str(source)], capture_output=True, text=True)


def main():
    if not shutil.which(CLANG):
        print(f"needs {CLANG}")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        for unit, number, triple, cpu, wanted in UNITS:
            source = pathlib.Path(folder) / "multiply.cl"
            source.write_text((DECLARATIONS if triple == INTEL else "") + KERNEL)
            done = compile_unit(unit, number, triple, cpu, sys.argv[1], source)
            named = f"unit {unit}, format {number}, {cpu or triple}"
            check(not done.returncode, f"{named}: {done.stderr}")
            check(re.search(re.escape(wanted) + r"\b", done.stdout) or done.returncode, f"{named}: no {wanted}")
    return finish()


sys.exit(main())
