/* All of Clade's public interface. */
#ifndef CLADE_CLADE_H
#define CLADE_CLADE_H

#include <clade/backbone.h>
#include <clade/backend.h>
#include <clade/bench.h>
#include <clade/conform.h>
#include <clade/data.h>
#include <clade/device.h>
#include <clade/inspect.h>
#include <clade/interchange.h>
#include <clade/lr_find.h>
#include <clade/model.h>
#include <clade/ops.h>
#include <clade/pretrained.h>
#include <clade/ranks.h>
#include <clade/recipe.h>
#include <clade/report.h>
#include <clade/scores.h>
#include <clade/search.h>
#include <clade/status.h>
#include <clade/tensor.h>
#include <clade/tensorboard.h>
#include <clade/train.h>
#include <clade/tune.h>
#include <clade/verify.h>

#endif
