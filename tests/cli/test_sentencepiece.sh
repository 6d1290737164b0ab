#!/bin/bash
# SPDX-License-Identifier: MIT
exec bash tests/clients/check_sentencepiece.sh quick
