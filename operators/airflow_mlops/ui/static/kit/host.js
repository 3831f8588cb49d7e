// What Airflow's own page lends us: React, its router and Chakra. Nothing of it is bundled, so the pages look native.
const { React, ReactRouterDOM, ChakraUI } = globalThis;

export const h = React.createElement;
export const { Fragment, useCallback, useEffect, useId, useMemo, useRef, useState } = React;
export const Router = ReactRouterDOM;
export const { Link: RouterLink } = ReactRouterDOM;
export const UI = ChakraUI;
