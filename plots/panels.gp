# SPDX-License-Identifier: MIT
# Time and error of the same variants, side by side on logarithmic axes. In `data`: as for ladder.gp.
load scripts.'/style.gp'
set multiplot
set yrange [(bars > 3 ? bars : 3) + 0.6 : 0.4]
set border 1
set grid x y linecolor rgb faint linewidth 1 linetype 1
set logscale x
set lmargin at screen left_margin
middle = left_margin + 0.52 * (1.0 - left_margin - 0.03)
set rmargin at screen middle
set xrange [log_min : log_max]
eval 'set xtics '.log_tics
set xlabel x_title
set ytics scale 0 ()
do for [i = 1 : bars] { set ytics add (bar_label[i] i) }
plot data using 2:1:3:4 with xerrorbars pointtype 7 pointsize 0.9 linewidth 1.4 linecolor rgb palette[1], \
     data using 5:($1 - 0.4):(0):(0.8) with vectors nohead linewidth 2 linecolor rgb soft
unset label
set lmargin at screen middle + 0.03
set rmargin at screen 0.97
set ytics scale 0 ('' 1)
do for [i = 1 : bars] { set ytics add ('' i) }
set xrange [error_min : error_max]
set xtics autofreq
set format x '1e%T'
set xlabel y_title
plot data using ($6 > 0 ? $6 : NaN):1 with points pointtype 5 pointsize 0.9 linecolor rgb palette[4], \
     data using ($6 == 0 ? error_min : NaN):1:('exact') with labels left offset 0.6, 0 textcolor rgb soft
unset multiplot
unset output
