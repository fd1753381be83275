// All metrics.
#ifndef EQUIPOISE_METRICS_H_
#define EQUIPOISE_METRICS_H_

// IWYU pragma: begin_exports
#include "equipoise/metrics/absent.h"
#include "equipoise/metrics/answers.h"
#include "equipoise/metrics/binary.h"
#include "equipoise/metrics/bootstrap.h"
#include "equipoise/metrics/calibration.h"
#include "equipoise/metrics/class_averages.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/metrics/entities.h"
#include "equipoise/metrics/entity_sequences.h"
#include "equipoise/metrics/entity_tags.h"
#include "equipoise/metrics/grouped.h"
#include "equipoise/metrics/interval.h"
#include "equipoise/metrics/label_scores.h"
#include "equipoise/metrics/multilabel.h"
#include "equipoise/metrics/multilabel_calibration.h"
#include "equipoise/metrics/ranked_rows.h"
#include "equipoise/metrics/ranking.h"
#include "equipoise/metrics/reliability.h"
// IWYU pragma: end_exports

#endif  // EQUIPOISE_METRICS_H_
