# signum: trains binary LLMs on CPUs. `make demo` is the main job, `make check` the tests.
#
# SPDX-License-Identifier: MIT
.SUFFIXES:
.DEFAULT_GOAL := all

# --- what to build: FLAVOUR=release|debug|asan|ubsan|tsan|fuzz|double, CC=clang|gcc, WERROR=1 ----
FLAVOUR ?= release
ifeq ($(origin CC),default)
CC := clang
endif
WERROR ?= 0
PREFIX ?= /usr/local
B := build/$(FLAVOUR)$(if $(filter-out clang,$(notdir $(CC))),-$(notdir $(CC)))

ARCH   := $(shell uname -m)
TRIPLE := $(shell $(CC) -print-multiarch 2>/dev/null || gcc -print-multiarch 2>/dev/null)
ifeq ($(TRIPLE),)
TRIPLE := $(ARCH)-linux-gnu
endif
BLAS_DIR := /usr/lib/$(TRIPLE)/openblas-pthread
HDF5_INC := /usr/include/hdf5/serial
HDF5_DIR := /usr/lib/$(TRIPLE)/hdf5/serial

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion $(if $(filter 1,$(WERROR)),-Werror)
BASE := -std=c11 -I. -fopenmp -ffp-contract=off -fno-math-errno -MMD -MP -g \
        -I/usr/include/$(TRIPLE)/openblas-pthread -isystem $(HDF5_INC) -DH5_USE_110_API
FLAGS_release := -O2
FLAGS_debug   := -O0
FLAGS_asan    := -O1 -fsanitize=address -fno-omit-frame-pointer
FLAGS_ubsan   := -O1 -fsanitize=undefined -fno-sanitize-recover=all
FLAGS_tsan    := -O1 -fsanitize=thread
FLAGS_fuzz    := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FLAGS_double  := -O2 -DSGN_DOUBLE
SGN_CFLAGS    := $(BASE) $(WARN) $(FLAGS_$(FLAVOUR)) $(CFLAGS)
SGN_LDFLAGS   := -fopenmp $(filter -fsanitize%,$(FLAGS_$(FLAVOUR))) $(LDFLAGS) \
                 -L$(BLAS_DIR) -Wl,-rpath,$(BLAS_DIR) -L$(HDF5_DIR) -Wl,-rpath,$(HDF5_DIR)
LIBS := -lopenblas -lhdf5 -lzstd -lz -lyaml -ljansson -lxxhash -lpcre2-8 -lutf8proc -lmicrohttpd -lm -lpthread

# --- sources: a new file is found by its place -------------------------------------------------
FLOORS := core core/kernels core/ops core/archives data data/tokenizers model model/linears \
          optim optim/optimizers distill distill/teachers binarize binarize/binarizers train export export/formats eval eval/tasks serve
ifeq ($(FLAVOUR),double)
FLOORS := core core/kernels core/ops core/archives model model/linears
endif
LIB_SRC := $(wildcard $(addsuffix /*.c,$(FLOORS)))
ifeq ($(FLAVOUR),double)
LIB_SRC := $(filter-out model/model_load.c model/param_read.c,$(LIB_SRC))
endif
CLI_SRC := $(wildcard cli/*.c)
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o)
CLI_OBJ := $(CLI_SRC:%.c=$(B)/%.o)
LIB := $(B)/libsignum.a

ifneq ($(filter x86_64 amd64,$(ARCH)),)
$(B)/core/kernels/kernels_avx2.o:   SGN_CFLAGS += -mavx2 -mfma -mf16c -mbmi2
$(B)/core/kernels/kernels_avx512.o: SGN_CFLAGS += -mavx2 -mfma -mf16c -mbmi2 -mavx512f -mavx512bw -mavx512dq -mavx512vl
endif
ifeq ($(filter asan ubsan tsan fuzz,$(FLAVOUR)),)      # with these it only takes minutes to compile
$(B)/core/kernels/%.o: SGN_CFLAGS += -O3
$(B)/data/shard_read.o: SGN_CFLAGS += -O3
endif

.PHONY: all lib clean
all: signum
lib: $(LIB)

signum: $(B)/signum
	@ln -sf $(B)/signum $@
$(B)/signum: $(CLI_OBJ) $(LIB)
	$(CC) -o $@ $(CLI_OBJ) $(LIB) $(SGN_LDFLAGS) $(LIBS)
$(LIB): $(LIB_OBJ)
	@rm -f $@
	ar rcs $@ $(LIB_OBJ)
$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(SGN_CFLAGS) -c -o $@ $<

# --- tests: tests/<floor>/test_NAME.c becomes one cmocka program -------------------------------
CASE_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tests/op_cases/*.c))
TEST_SRC := $(wildcard $(addsuffix /test_*.c,$(addprefix tests/,core data model optim distill binarize train export eval serve cli)))
ifeq ($(FLAVOUR),double)
TEST_SRC := $(wildcard tests/core/test_gradients.c tests/model/test_*gradients.c)
endif
FUZZ_SRC := $(if $(filter-out double,$(FLAVOUR)),$(wildcard tests/fuzz/*_fuzz.c))
TESTS := $(TEST_SRC:tests/%.c=$(B)/tests/%) $(FUZZ_SRC:tests/%.c=$(B)/tests/%)

.PHONY: tests
tests: $(TESTS)
$(B)/tests/%: $(B)/tests/%.o $(CASE_OBJ) $(LIB)
	$(CC) -o $@ $< $(CASE_OBJ) $(LIB) $(SGN_LDFLAGS) -lcmocka $(LIBS)

# tests/fuzz/NAME_fuzz.c becomes a program that replays its inputs, and with libFuzzer one that looks for more.
FUZZ_OBJ := $(addprefix $(B)/tests/fuzz/,fuzz.o fuzz_tokenizer.o mutate.o $(if $(filter fuzz,$(FLAVOUR)),engine.o,replay.o))
$(B)/tests/fuzz/%_fuzz: $(B)/tests/fuzz/%_fuzz.o $(FUZZ_OBJ) $(LIB)
	$(CC) -o $@ $< $(FUZZ_OBJ) $(LIB) $(SGN_LDFLAGS) $(if $(filter fuzz,$(FLAVOUR)),-fsanitize=fuzzer) $(LIBS)

# --- packages: whatever a target needs, it installs ----------------------------------------------
PACKAGES      := make clang libomp-dev libopenblas-pthread-dev libhdf5-dev libzstd-dev zlib1g-dev \
                 libyaml-dev libjansson-dev libxxhash-dev libpcre2-dev libutf8proc-dev libmicrohttpd-dev
PACKAGES_demo  := $(PACKAGES) bible-kjv
PACKAGES_check := $(PACKAGES) gcc libcmocka-dev zstd hdf5-tools python3 python3-numpy python3-h5py \
                 python3-sentencepiece python3-torch
PACKAGES_check-long := $(PACKAGES_check) libclang-rt-dev
PACKAGES_fuzz  := $(PACKAGES) libclang-rt-dev
PACKAGES_results := $(PACKAGES) bible-kjv dict-jargon dict-devil dict-gcide python3

.PHONY: packages-demo packages-check packages-check-long packages-fuzz packages-results
packages-demo packages-check packages-check-long packages-fuzz packages-results: packages-%:
	@sh tests/packages.sh $(PACKAGES_$*)

# --- the main job -------------------------------------------------------------------------------
.PHONY: demo
demo: packages-demo
	@$(MAKE) --no-print-directory -s -j2 signum
	@sh configs/demo.sh $(TEXT)

# --- checks -------------------------------------------------------------------------------------
CHECK_CC := $(if $(CI),WERROR=1)
.PHONY: check check-unit check-gradients check-end check-long lint duplicates
check: packages-check
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory -s -j2 $(CHECK_CC) signum tests
	@$(MAKE) --no-print-directory check-unit
	@$(MAKE) --no-print-directory check-gradients
	@$(MAKE) --no-print-directory check-end
	@echo "make check: all passed"

# Tests compute products with signs one way, whatever was once measured here.
check-unit check-end: export SIGNUM_PRODUCTS ?= table
check-unit: $(TESTS)
	@sh tests/run.sh $(TESTS)
check-gradients:
	@$(MAKE) --no-print-directory -s -j2 $(CHECK_CC) FLAVOUR=double tests
	@$(MAKE) --no-print-directory FLAVOUR=double check-unit
# Programs of others, from npm (installed once into build/clients) and PyTorch; the rest of tests/clients is for check-long.
CLIENTS := tests/clients/check_tokenizers.sh tests/clients/check_exports.sh
check-end: signum
	@set -e; for t in $(wildcard tests/cli/test_*.sh) $(CLIENTS); do echo "== $$t"; bash $$t; done

# Everything again under the plain-C kernels, gcc and the sanitizers; then the foreign references.
check-long: packages-check-long check
	@SIGNUM_KERNELS=ref $(MAKE) --no-print-directory check-unit check-end
	@SIGNUM_KERNELS=avx2 $(MAKE) --no-print-directory check-unit
	@SIGNUM_PRODUCTS=sgemm $(MAKE) --no-print-directory check-unit
	@$(MAKE) --no-print-directory -s -j2 WERROR=1 CC=gcc tests && $(MAKE) --no-print-directory CC=gcc check-unit
	@$(MAKE) --no-print-directory -s -j2 FLAVOUR=asan  tests && $(MAKE) --no-print-directory FLAVOUR=asan  FUZZ_CASES=20000 check-unit
	@$(MAKE) --no-print-directory -s -j2 FLAVOUR=ubsan tests && $(MAKE) --no-print-directory FLAVOUR=ubsan FUZZ_CASES=20000 check-unit
	@$(MAKE) --no-print-directory -s -j2 FLAVOUR=tsan  tests && $(MAKE) --no-print-directory FLAVOUR=tsan  check-unit
	@set -e; for t in $(filter-out $(CLIENTS),$(wildcard tests/golden/check_*.sh tests/clients/check_*.sh)); do echo "== $$t"; bash $$t; done

# make fuzz TARGET=json TIME=600: clang's fuzzer on one parser, for so many seconds, from our own files and what it found before.
TIME ?= 60
.PHONY: fuzz
fuzz: packages-fuzz
	@test -f "tests/fuzz/$(TARGET)_fuzz.c" || { echo "make fuzz TARGET=one of: $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))"; exit 2; }
	@$(MAKE) --no-print-directory -s -j2 build/release/tests/fuzz/$(TARGET)_fuzz FLAVOUR=release CC=clang
	@$(MAKE) --no-print-directory -s -j2 build/fuzz/tests/fuzz/$(TARGET)_fuzz FLAVOUR=fuzz CC=clang
	@build/release/tests/fuzz/$(TARGET)_fuzz --write build/fuzz/corpus/$(TARGET)
	build/fuzz/tests/fuzz/$(TARGET)_fuzz -max_total_time=$(TIME) -max_len=65536 -timeout=10 -rss_limit_mb=1024 \
	    -artifact_prefix=build/fuzz/$(TARGET)- build/fuzz/corpus/$(TARGET)

lint:
	@for t in tests/lint/lint_*.sh; do sh $$t || exit 1; done

# --- documents, benches, installation -----------------------------------------------------------
.PHONY: docs bench results install
docs: signum
	@./signum config --document > docs/config.md

bench: signum
	@sh tests/bench/run.sh

# Every way to a binary model in one table; over an hour on two cores, what is done is not done again.
results: packages-results
	@$(MAKE) --no-print-directory -s -j2 signum
	@sh tests/bench/results.sh

install: signum
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/signum/configs $(DESTDIR)$(PREFIX)/share/doc/signum
	install -m 755 $(B)/signum $(DESTDIR)$(PREFIX)/bin/signum
	install -m 644 configs/*.yaml $(DESTDIR)$(PREFIX)/share/signum/configs
	install -m 644 README.md LICENSE $(DESTDIR)$(PREFIX)/share/doc/signum

clean:
	rm -rf build signum

-include $(LIB_OBJ:.o=.d) $(CLI_OBJ:.o=.d) $(CASE_OBJ:.o=.d) $(FUZZ_OBJ:.o=.d) $(TESTS:=.d)
.SECONDARY:
